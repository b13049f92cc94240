"""Generated scenes whose truth is exact: `demo_scenes`, `random_scene`, `render`, `write_scene`.

Modules are imported by name (`from camvid.scenes.render import render`), so that reading truth
does not load the renderer.
"""
