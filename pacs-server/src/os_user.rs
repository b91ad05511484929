//! Who runs a command, by the operating system.

use std::os::unix::fs::MetadataExt;

/// The name of the user of this process; behind `sudo` with the one who called it.
pub(crate) fn name() -> String {
    // The folder of a process belongs to the user it runs as.
    let Ok(id) = std::fs::metadata("/proc/self").map(|facts| facts.uid()) else {
        return std::env::var("USER").unwrap_or_else(|_| "unknown user".to_owned());
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = named(&users, id).unwrap_or_else(|| format!("user {id}"));
    match std::env::var("SUDO_USER") {
        Ok(caller) if id == 0 && !caller.is_empty() && caller != name => format!("{name} ({caller})"),
        _ => name,
    }
}

/// The name of a user in the text of `/etc/passwd`.
fn named(users: &str, id: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nan:x:1000:1000::/home/an:/bin/sh\nbroken\n";
        assert_eq!(named(users, 0).as_deref(), Some("root"));
        assert_eq!(named(users, 1000).as_deref(), Some("an"));
        assert_eq!(named(users, 7), None);
        assert!(!name().is_empty());
    }
}
