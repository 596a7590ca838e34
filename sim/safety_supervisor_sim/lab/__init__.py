"""The geometry laboratory: what the real supervisor lets pass, judged by an engine of other code on the real meshes."""
