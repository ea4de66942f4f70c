//! The policies of `rate-limit` that the README shows can be used as they stand.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use postern_cli::check::check;

#[test]
fn the_readme_shows_policies_that_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown: Vec<&str> =
        blocks.filter(|text| text.lines().any(|line| line == "filter: rate-limit")).collect();
    assert!(shown.len() >= 5, "{shown:#?}");
    for (n, text) in shown.into_iter().enumerate() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(n.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("rate-limit.yaml"), text).unwrap();
        let good =
            check(&[folder], &|_| None).unwrap_or_else(|findings| panic!("{text}{findings:#?}"));
        let warnings: Vec<String> = good.warnings().map(|w| w.to_string()).collect();
        assert_eq!(warnings, [""; 0], "{text}");
    }
}
