//! What the packages are made of. `scripts/packages.sh` builds and tries them; this checks what needs no build.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo knows of this package and of those that it depends on.
fn metadata(args: &[&str]) -> Value {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let output = cargo.args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(metadata: &Value) -> &Value {
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|it| it["name"] == "metrics-toolkit");
    ours.unwrap()
}

/// (source, destination) of the files of both packages.
fn assets(package: &Value) -> [Vec<(String, String)>; 2] {
    let text = |value: &Value| value.as_str().unwrap().trim_start_matches('/').to_owned();
    let deb = package["metadata"]["deb"]["assets"].as_array().unwrap();
    let rpm = package["metadata"]["generate-rpm"]["assets"]
        .as_array()
        .unwrap();
    [
        deb.iter().map(|it| (text(&it[0]), text(&it[1]))).collect(),
        rpm.iter()
            .map(|it| (text(&it["source"]), text(&it["dest"])))
            .collect(),
    ]
}

#[test]
fn both_packages_have_everything_and_every_file_exists() {
    let metadata = metadata(&["--no-deps"]);
    for assets in assets(ours(&metadata)) {
        for (source, _) in &assets {
            let (folder, name) = source.rsplit_once('/').unwrap_or((".", source));
            if folder.starts_with("target/") {
                continue; // built first
            }
            let start = name.split('*').next().unwrap();
            let end = name.rsplit('*').next().unwrap();
            let entries = std::fs::read_dir(root().join(folder)).unwrap();
            let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
            let found = names
                .filter(|it| it.starts_with(start) && it.ends_with(end))
                .count();
            assert!(0 < found, "{source}");
        }
        for part in [
            "usr/bin/",
            "usr/lib/systemd/system/",
            "etc/default/metrics",
            "usr/share/man/man1/",
            "usr/share/bash-completion/completions/",
            "usr/share/zsh/",
            "usr/share/fish/vendor_completions.d/",
            "usr/share/doc/metrics-toolkit/docs/",
            "usr/share/doc/metrics-toolkit/packaging/examples/",
        ] {
            assert!(assets.iter().any(|(_, to)| to.starts_with(part)), "{part}");
        }
    }
}

#[test]
fn the_scripts_of_the_package_are_valid_and_do_nothing_without_systemd() {
    for (name, arg) in [
        ("postinst", "configure"),
        ("prerm", "upgrade"),
        ("postrm", "remove"),
    ] {
        let script = root().join("packaging/scripts").join(name);
        let check = Command::new("sh").arg("-n").arg(&script).status();
        assert!(check.unwrap().success(), "{name}");
        if !Path::new("/run/systemd/system").exists() {
            let output = Command::new("sh").arg(&script).arg(arg).output().unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    }
}

/// The stated version of Rust is the newest that the program or a dependency asks for, and the one here can build it.
#[test]
fn the_stated_version_of_rust_is_the_one_that_is_needed() {
    let version =
        |text: &str| -> Vec<u32> { text.split('.').map(|it| it.parse().unwrap()).collect() };
    let metadata = metadata(&[]);
    let stated = ours(&metadata)["rust_version"].as_str().unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        if let Some(needed) = package["rust_version"].as_str() {
            let is_enough = version(needed)[..2] <= version(stated)[..2];
            assert!(is_enough, "{} needs Rust {needed}", package["name"]);
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("({stated} or newer)")),
        "README.md"
    );
}

/// Every document, below the root of the sources.
fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    for folder in [
        "",
        "docs/",
        "benches/",
        "examples/proxy/",
        "examples/fleet/",
        "examples/grafana/",
    ] {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
            continue;
        };
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        documents.extend(
            names
                .filter(|it| it.ends_with(".md"))
                .map(|it| format!("{folder}{it}")),
        );
    }
    documents
}

/// Whether a package installs a file of the sources at the same place below its documentation.
fn installs(assets: &[(String, String)], file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    let folder = file.parent().unwrap().to_str().unwrap();
    let to = format!("usr/share/doc/metrics-toolkit/{folder}");
    assets.iter().any(|(source, place)| {
        let (from, pattern) = source.rsplit_once('/').unwrap_or(("", source));
        let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
        let is_meant = from == folder && name.starts_with(start) && name.ends_with(end);
        is_meant && place.trim_end_matches('/') == to.trim_end_matches('/')
    })
}

/// A file in a directory of the sources.
fn any_file(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(root().join(folder)).unwrap();
    folder.join(
        entries
            .find_map(|it| Some(it.unwrap()).filter(|it| it.path().is_file()))
            .unwrap()
            .file_name(),
    )
}

/// A path without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    resolved
}

/// Every file that a document refers to is where it says, in the sources and where a package installs it.
#[test]
fn links_between_documents_lead_somewhere() {
    let metadata = metadata(&["--no-deps"]);
    let packages = assets(ours(&metadata));
    let mut count = 0;
    for document in documents() {
        let path = root().join(&document);
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            count += 1;
            let file = resolved(&Path::new(&document).parent().unwrap().join(target));
            assert!(root().join(&file).exists(), "{document}: {target}");
            // Of a directory, one file is enough.
            let file = if root().join(&file).is_dir() {
                any_file(&file)
            } else {
                file
            };
            for assets in &packages {
                assert!(
                    installs(assets, &file),
                    "{document}: {target} is not installed"
                );
            }
        }
    }
    assert!(20 < count, "{count}");
}
