"""What kustomize makes of the overlays, built from the Go module that kubectl has inside."""

import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.clients.toolchain import need, run
from tests.deploy.compose import new_secrets
from tests.deploy.kubernetes import BASE, COMPONENTS, KUBERNETES, OVERLAYS, kustomization, manifests
from tests.deploy.test_kubernetes import FOREIGN, RELEASE

pytestmark = [pytest.mark.clients, pytest.mark.timeout(700)]

KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"


def built(folder: Path, overlay: str, *, with_components: bool) -> list[dict[str, Any]]:
    """The manifests of an overlay, with secrets as deploy/secrets.sh makes them."""
    copy = folder / "kubernetes"
    shutil.copytree(KUBERNETES, copy, ignore=shutil.ignore_patterns("*.env"))
    for kind, file in (
        ("kubernetes", "base/secrets.env"),
        ("kubernetes-keys", "base/keys.env"),
        ("kubernetes-trail", "base/trail.env"),
        ("kubernetes-webhooks", "components/webhooks/webhooks.env"),
    ):
        (copy / file).write_text("".join(f"{name}={value}\n" for name, value in new_secrets(kind).items()))
    (copy / "components/notifier/notifier.env").write_text('INTERLOCK_ALERTS__URLS=["slack://a/b/c"]\n')
    if with_components:
        changed = kustomization(copy / "overlays" / overlay)
        changed["components"] = [f"../../components/{component.name}" for component in COMPONENTS]
        (copy / "overlays" / overlay / "kustomization.yaml").write_text(yaml.safe_dump(changed))
    text = run(["go", "run", KUSTOMIZE, "build", f"overlays/{overlay}"], copy)
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("overlay", [folder.name for folder in OVERLAYS])
@pytest.mark.parametrize("with_components", [False, True], ids=["alone", "with all components"])
def test_kubernetes_takes_what_an_overlay_makes(tmp_path: Path, overlay: str, with_components: bool) -> None:
    need("go")
    made = built(tmp_path, overlay, with_components=with_components)
    secrets = {one["metadata"]["name"] for one in made if one["kind"] == "Secret"}
    main = {"interlock", "interlock-keys", "interlock-trail"}
    assert secrets == (main | {"interlock-webhooks", "interlock-notifier"} if with_components else main)
    sources = manifests() if with_components else manifests(BASE)
    assert len(made) == len(sources) + len(secrets)
    image = kustomization(KUBERNETES / "overlays" / overlay)["images"][0]
    address = f"{image.get('newName', 'interlock')}:{image['newTag']}"
    for manifest in made:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, RELEASE, strict=True)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "interlock"
        if "template" in manifest.get("spec", {}):
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            assert container["image"] == address
            # The volume with the keys is one node's unless the file system is shared.
            has_keys = "keys" in manifest["spec"]["template"]["metadata"]["labels"]
            assert ("affinity" in manifest["spec"]["template"]["spec"]) == (has_keys and not with_components)
