//! `--sysctl NAME=VALUE`: the command takes only names that belong to a namespace (docker/cli `opts.ValidateSysctl`).

const KERNEL: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];

/// Name and value.
pub fn sysctl(text: &str) -> Result<(String, String), String> {
    let refused = || format!("sysctl '{text}' is not allowed");
    let (name, value) = text.split_once('=').ok_or_else(refused)?;
    let of_ipc = name.strip_prefix("kernel.").is_some_and(|name| KERNEL.contains(&name));
    if of_ipc || name.starts_with("net.") || name.starts_with("fs.mqueue.") {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_a_namespace_are_taken() {
        assert_eq!(sysctl("net.a=1=2"), Ok(("net.a".to_owned(), "1=2".to_owned())));
        assert!(sysctl("kernel.shm_rmid_forced=1").is_ok());
        assert_eq!(sysctl("kernel.bogus=1"), Err("sysctl 'kernel.bogus=1' is not allowed".to_owned()));
        assert!(sysctl("net.a").is_err());
        assert!(sysctl("kernel/shmmax=1").is_err());
    }
}
