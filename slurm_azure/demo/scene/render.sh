#!/bin/bash
#SBATCH --job-name=knot
#SBATCH --partition=cloud
#SBATCH --ntasks=1
#SBATCH --output=/shared/alice/log/frame-%a.txt
# One frame of the animation for each task of the array: render.sh FRAMES WIDTH HEIGHT.
set -euo pipefail
frames=$1 width=$2 height=$3 frame=$SLURM_ARRAY_TASK_ID
name=$(printf 'frame-%03d.png' "$frame")
began=$(date +%s.%N)
# Written under another name first: what is called frame-*.png is a whole picture.
povray +I/shared/alice/knot.pov +O"/shared/alice/frames/.$name" +W"$width" +H"$height" +A0.2 +AM2 +R2 +WT1 \
    +K"$(echo "$frame $frames" | awk '{ printf "%.6f", $1 / $2 }')" -D -GA
mv "/shared/alice/frames/.$name" "/shared/alice/frames/$name"
echo "frame $frame on $(hostname) $began $(date +%s.%N)"
