"""placeholder"""
from slurm_azure.errors import HostlistError
def expand(text: str) -> list[str]:
    import re
    out=[]
    m=re.fullmatch(r"(.*)\[(\d+)-(\d+)\]",text)
    if not m: return [text]
    w=len(m[2]) if m[2].startswith("0") else 0
    return [f"{m[1]}{i:0{w}d}" for i in range(int(m[2]),int(m[3])+1)]
def fold(names: object) -> str: return ",".join(names)  # type: ignore
