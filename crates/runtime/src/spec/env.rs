//! `process.env`: PATH, HOSTNAME, what the image and the container say, and HOME.

/// The PATH of a process whose image and container set none (containerd `pkg/oci`, `defaultUnixEnv`).
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment in its order of appearance; a later setting of a name replaces the earlier one in its place.
pub(super) fn env(given: &[String], hostname: &str, home: &str) -> Vec<String> {
    let mut env: Vec<String> = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    for setting in given {
        let name = name_of(setting);
        match env.iter_mut().find(|known| name_of(known) == name) {
            Some(known) => known.clone_from(setting),
            None => env.push(setting.clone()),
        }
    }
    // OCI runtimes look HOME up in the image's /etc/passwd when nothing sets it or it is empty; the effective context
    // has done that already, so that every engine gives the same.
    match env.iter_mut().find(|known| name_of(known) == "HOME") {
        Some(known) if known.len() > "HOME=".len() => {}
        Some(known) => *known = format!("HOME={home}"),
        None => env.push(format!("HOME={home}")),
    }
    env
}

fn name_of(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn the_container_overrides_the_image_and_the_defaults() {
        assert_eq!(
            env(&strings(&["PATH=/bin", "A=1", "A=2", "B"]), "web-0", "/root"),
            strings(&["PATH=/bin", "HOSTNAME=web-0", "A=2", "B", "HOME=/root"])
        );
    }

    #[test]
    fn a_home_that_is_set_stays() {
        assert_eq!(env(&strings(&["HOME=/data"]), "h", "/root"), strings(&[DEFAULT_PATH, "HOSTNAME=h", "HOME=/data"]));
    }

    #[test]
    fn an_empty_home_is_looked_up() {
        assert_eq!(env(&strings(&["HOME="]), "h", "/root").last().map(String::as_str), Some("HOME=/root"));
    }
}
