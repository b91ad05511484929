//! What a site is configured with: its facilities, machines and tokens, as lines of a configuration file.

/// A token of a hospital's own system.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Its name in records.
    pub name: &'static str,
    /// The facility that it acts for.
    pub facility: &'static str,
    /// What it is sent as.
    pub header: (&'static str, &'static str),
    /// SHA-256 of the words after `Bearer`.
    sha256: &'static str,
}

/// The system of the facility 01001.
pub const HIS_01001: Token = Token {
    name: "HIS 01001",
    facility: "01001",
    header: ("Authorization", "Bearer his-01001"),
    sha256: "0176668e445ceae281139f0ba141451a34ea5cd4015f1e554acce1851cae10ca",
};

/// The system of the facility 01002.
pub const HIS_01002: Token = Token {
    name: "HIS 01002",
    facility: "01002",
    header: ("Authorization", "Bearer his-01002"),
    sha256: "26ee4e967ef9007ac67e96e64358b89f04d16a3542e3b542a2af491b3988f1a2",
};

/// A viewer of the facility 01002.
pub const VIEWER_01002: Token = Token {
    name: "Viewer 01002",
    facility: "01002",
    header: ("Authorization", "Bearer viewer-01002"),
    sha256: "bebfab1c6f19ff32bc810ad1336fcb87bbc5ed035efef7f6772b08783ea770af",
};

/// A configuration file in the making, for [`crate::server::Setup::with_file`].
#[derive(Clone, Debug)]
pub struct Site(String);

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

impl Site {
    /// A site that takes every machine.
    #[must_use]
    pub fn new() -> Site {
        Site("[dimse]\naccept = \"anyone\"\n".to_owned())
    }

    /// Adds lines of a table.
    fn table(mut self, head: &str, lines: &[&str]) -> Site {
        self.0.push_str(head);
        self.0.push('\n');
        for line in lines.iter().filter(|line| !line.is_empty()) {
            self.0.push_str(line);
            self.0.push('\n');
        }
        self
    }

    /// Studies are examined a second after their last image came.
    #[must_use]
    pub fn examined_soon(self) -> Site {
        self.table("[study]", &["quiet_seconds = 1"])
    }

    /// A facility.
    #[must_use]
    pub fn facility(self, code: &str) -> Site {
        self.facility_with(code, "")
    }

    /// A facility of which more lines tell.
    #[must_use]
    pub fn facility_with(self, code: &str, lines: &str) -> Site {
        self.table("[[facility]]", &[&format!("code = \"{code}\""), lines])
    }

    /// A machine of a facility, on the loopback address, whose PatientIDs are of patients.
    #[must_use]
    pub fn machine(self, ae_title: &str, facility: &str) -> Site {
        self.machine_counting(ae_title, facility, "patient")
    }

    /// The same, whose PatientIDs are what `patient_id_is` says: `patient` or `order`.
    #[must_use]
    pub fn machine_counting(self, ae_title: &str, facility: &str, patient_id_is: &str) -> Site {
        let lines = [
            format!("ae_title = \"{ae_title}\""),
            "address = \"127.0.0.1\"".to_owned(),
            format!("facility = \"{facility}\""),
            format!("patient_id_is = \"{patient_id_is}\""),
        ];
        self.table("[[peer]]", &lines.each_ref().map(String::as_str))
    }

    /// A token with roles, written as TOML has a list of strings.
    #[must_use]
    pub fn token(self, token: Token, roles: &[&str]) -> Site {
        let lines = [
            format!("sha256 = \"{}\"", token.sha256),
            format!("name = \"{}\"", token.name),
            format!("facility = \"{}\"", token.facility),
            format!("roles = {roles:?}"),
        ];
        self.table("[[token]]", &lines.each_ref().map(String::as_str))
    }

    /// Further lines at the end.
    #[must_use]
    pub fn and(mut self, lines: &str) -> Site {
        self.0.push_str(lines);
        self
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0
    }
}
