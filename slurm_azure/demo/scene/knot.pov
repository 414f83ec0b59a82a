// A knot of beads turns above water at dusk; the waves run on, and the last frame leads back to the first.
// `clock` runs from 0 to 1 over the whole animation: povray Initial_Clock=.. Final_Clock=.., or +K for one frame.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 6 }

#declare Turn = 2 * pi;
#declare Beads = 120;

// A (2,3) torus knot, t from 0 to 1.
#macro Knot(T)
    #local A = 2 * Turn * T;
    #local B = 3 * Turn * T;
    <(2 + 0.8 * cos(B)) * cos(A), 0.8 * sin(B), (2 + 0.8 * cos(B)) * sin(A)>
#end

#macro Wheel(H) // a colour of the wheel, H from 0 to 1
    #local C = <0.5 + 0.5 * cos(Turn * H), 0.5 + 0.5 * cos(Turn * (H - 1/3)), 0.5 + 0.5 * cos(Turn * (H - 2/3))>;
    rgb C * C
#end

camera {
    location <0, 2.7 + 0.35 * sin(Turn * clock), -9.4>
    look_at <0, 1.55, 0>
    right x * image_width / image_height
    angle 48
}

light_source { <-30, 18, -25> rgb <1.0, 0.86, 0.7> * 1.25 area_light x * 6, y * 6, 3, 3 adaptive 1 jitter }
light_source { <25, 30, 20> rgb <0.25, 0.32, 0.5> shadowless }

sky_sphere {
    pigment {
        gradient y
        color_map { [0.00 rgb <0.98, 0.62, 0.36>] [0.12 rgb <0.86, 0.46, 0.45>] [0.35 rgb <0.32, 0.27, 0.48>] [0.80 rgb <0.04, 0.06, 0.18>] }
    }
    pigment {
        bozo turbulence 0.7 octaves 5 lambda 2.4
        color_map { [0.0 rgbt 1] [0.55 rgbt 1] [0.8 rgbt <1, 0.78, 0.66, 0.45>] [1.0 rgbt <1, 0.9, 0.82, 0.2>] }
        scale <0.9, 0.22, 0.9>
    }
}

// Water: the two swells run their whole wavelength once in the loop.
plane {
    y, -0.55
    pigment { rgb <0.02, 0.05, 0.08> }
    normal {
        average
        normal_map {
            [1 gradient x 0.35 sine_wave scale 1.4 phase clock rotate y * 25]
            [1 gradient z 0.30 sine_wave scale 0.9 phase 2 * clock rotate y * -12]
            [1 bumps 0.12 scale <0.6, 1, 0.4>]
        }
    }
    finish { ambient 0 diffuse 0.25 specular 0.8 roughness 0.004 reflection { 0.12, 0.9 fresnel on } conserve_energy }
    interior { ior 1.33 }
}

// The beads: those at the head of the train glow, and the train runs once around the knot.
union {
    #declare I = 0;
    #while (I < Beads)
        #declare T = I / Beads;
        #declare Ahead = mod(T - clock + 2, 1);
        #declare Glow = pow(1 - Ahead, 9);
        sphere {
            Knot(T), 0.17 + 0.10 * Glow
            pigment { Wheel(T) }
            finish {
                ambient 0 emission 0.9 * Glow diffuse 0.55 specular 0.9 roughness 0.01
                reflection { 0.06, 0.5 } conserve_energy metallic 0.5
            }
        }
        #declare I = I + 1;
    #end
    rotate x * 66
    scale 0.74
    rotate y * 360 * clock
    translate y * 1.9
}

// A glass core that breathes.
sphere {
    0, 0.78 + 0.07 * sin(2 * Turn * clock)
    translate y * 1.9
    hollow
    pigment { rgbt <0.86, 0.95, 1, 0.92> }
    finish { ambient 0 diffuse 0.05 specular 1 roughness 0.002 reflection { 0.03, 0.9 fresnel on } conserve_energy }
    interior { ior 1.45 }
}

// Six stones in the water, lit by what passes over them.
#declare I = 0;
#while (I < 6)
    superellipsoid {
        <0.35, 0.35>
        scale <0.26, 0.34, 0.26>
        rotate y * (60 * I + 40 * clock * 9)
        translate <2.7, -0.5 + 0.06 * sin(Turn * (clock + I / 6)), 0>
        rotate y * 60 * I
        pigment { rgb <0.10, 0.10, 0.12> }
        finish { ambient 0 diffuse 0.6 specular 0.5 roughness 0.02 reflection 0.08 }
    }
    #declare I = I + 1;
#end
