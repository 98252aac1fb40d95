import zipfile


def test_wheel_holds_one_package_with_passes_models_recipes_and_the_library(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"qcompile", "qcompile-0.1.0.dist-info"}
    for wanted in (
        "passes/__init__.py",
        "models/__init__.py",
        "cli/__init__.py",
        "py.typed",
        "report/schema.json",
        "report/page/page.css",
        "report/page/page.js",
        "drawing/drawing.css",
        "_lib/libqcompile_ops.so",
    ):
        assert names.count(f"qcompile/{wanted}") == 1, wanted
    assert any(name.startswith("qcompile/models/recipes/") and name.endswith(".toml") for name in names)
    assert not [name for name in names if "/tests/" in name or name.endswith((".cc", ".h", ".a"))]


def test_wheel_is_for_any_python_3_and_this_platform(wheel):
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")


def test_metadata_names_the_licence_and_asks_for_no_torch(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(path).decode().splitlines()
    assert "License-Expression: Apache-2.0" in lines
    required = [line for line in lines if line.startswith("Requires-Dist") and "extra" not in line]
    assert required
    assert not [line for line in required if "torch" in line or "onnxscript" in line]
