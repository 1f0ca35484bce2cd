//! The profiles that come with ringfence.

use ringfence_operators::profile::Profile;

#[test]
fn every_built_in_profile_is_sound() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/builtin");
    let (mut names, mut failures) = (vec![], vec![]);
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match Profile::read(&std::fs::read(&path).unwrap()) {
            Ok(profiles) => names.extend(profiles.iter().map(|profile| profile.name().to_owned())),
            Err(errors) => failures.extend(errors.iter().map(|error| format!("{}:{error}", path.display()))),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    names.sort();
    let known: Vec<_> = ringfence_operators::built_in().map(Profile::name).collect();
    assert_eq!(names, ["eck", "olm", "redis-enterprise"]);
    assert_eq!(known, ["eck", "redis-enterprise", "olm"]);
}
