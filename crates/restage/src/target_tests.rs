use std::collections::BTreeMap;

use super::*;

/// A home directory with AWS files, a data directory with a server's files, and an environment.
struct House {
    home: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

const RUNNING: &str = "http://127.0.0.1:5080";

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let aws = home.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        let credentials = "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=s\n\
                           [prod]\naws_access_key_id=PROD\naws_secret_access_key=s\naws_session_token=t\n";
        let config = "[profile prod]\nregion=eu-west-1\n[profile lab]\nendpoint_url=http://lab:4080\n\
                      aws_access_key_id=LAB\naws_secret_access_key=s\n[profile role]\nrole_arn=x\n";
        std::fs::write(aws.join("credentials"), credentials).unwrap();
        std::fs::write(aws.join("config"), config).unwrap();
        let data = home.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let own = "[default]\naws_access_key_id = OWN\naws_secret_access_key = s\n";
        std::fs::write(data.join("credentials"), own).unwrap();
        let run = format!(r#"{{"url":"{RUNNING}","console":"x","pid":1}}"#);
        std::fs::write(data.join("server.json"), run).unwrap();
        let mut house = Self {
            home,
            variables: BTreeMap::new(),
        };
        let home = house.home.path().display().to_string();
        house = house.with("HOME", &home);
        house.with("RESTAGE_DATA_DIR", &data.display().to_string())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_env_keys(self) -> Self {
        self.with("AWS_ACCESS_KEY_ID", "ENV")
            .with("AWS_SECRET_ACCESS_KEY", "s")
    }

    fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn connect(&self, target: &Target) -> anyhow::Result<ApiAccess> {
        target.connect_in(&|name| self.variables.get(name).cloned())
    }

    /// The resolved pair of (URL, access key).
    fn settled(&self, target: &Target) -> (Option<String>, String) {
        let connection = self.connect(target).unwrap();
        (connection.url, connection.keys.access_key)
    }
}

fn found(url: &str, key: &str) -> (Option<String>, String) {
    (Some(url.to_owned()), key.to_owned())
}

fn endpoint(url: &str) -> Target {
    Target {
        endpoint_url: Some(url.to_owned()),
        ..Target::default()
    }
}

fn profile(name: &str) -> Target {
    Target {
        profile: Some(name.to_owned()),
        ..Target::default()
    }
}

#[test]
fn the_server_of_the_data_directory_is_reached_on_this_machine() {
    let house = House::new();
    let run = format!(
        r#"{{"url":"https://video.example.org/video","local":"{RUNNING}","console":"x","pid":1}}"#
    );
    std::fs::write(house.data_dir().join("server.json"), run).unwrap();
    assert_eq!(house.settled(&Target::default()), found(RUNNING, "OWN"));
}

#[test]
fn nothing_said_is_the_server_of_the_data_directory() {
    assert_eq!(
        House::new().settled(&Target::default()),
        found(RUNNING, "OWN")
    );
}

#[test]
fn keys_for_elsewhere_are_not_sent_to_the_server_of_the_data_directory() {
    let house = House::new().with_env_keys();
    assert_eq!(house.settled(&Target::default()), found(RUNNING, "OWN"));
    let house = House::new().with("AWS_PROFILE", "prod");
    assert_eq!(house.settled(&Target::default()), found(RUNNING, "OWN"));
}

#[test]
fn without_a_credentials_file_the_environment_has_the_keys() {
    let house = House::new().with_env_keys();
    std::fs::remove_file(house.data_dir().join("credentials")).unwrap();
    assert_eq!(house.settled(&Target::default()), found(RUNNING, "ENV"));
}

#[test]
fn an_endpoint_goes_with_the_environment_then_the_profile() {
    let url = "http://far:4080";
    assert_eq!(
        House::new().with_env_keys().settled(&endpoint(url)),
        found(url, "ENV")
    );
    assert_eq!(House::new().settled(&endpoint(url)), found(url, "DEFAULT"));
    assert_eq!(
        House::new()
            .with("AWS_PROFILE", "prod")
            .settled(&endpoint(url)),
        found(url, "PROD")
    );
    // The running server's own keys take precedence over the default profile.
    assert_eq!(
        House::new().settled(&endpoint(RUNNING)),
        found(RUNNING, "OWN")
    );
}

#[test]
fn the_data_directory_is_the_last_source_of_keys() {
    let house = House::new();
    std::fs::remove_dir_all(house.home.path().join(".aws")).unwrap();
    assert_eq!(
        house.settled(&endpoint("http://far")),
        found("http://far", "OWN")
    );
}

#[test]
fn what_restage_env_prints_is_what_is_used() {
    let house = House::new()
        .with_env_keys()
        .with("AWS_ENDPOINT_URL_IVS_REALTIME", "http://a");
    assert_eq!(house.settled(&Target::default()), found("http://a", "ENV"));
    let house = house.with("AWS_ENDPOINT_URL", "http://b");
    assert_eq!(house.settled(&Target::default()), found("http://a", "ENV"));
    assert_eq!(
        house.settled(&endpoint("http://c")),
        found("http://c", "ENV")
    );
    let own = Target {
        data_dir: Some(house.data_dir()),
        ..Target::default()
    };
    assert_eq!(house.settled(&own), found(RUNNING, "OWN"));
}

#[test]
fn a_profile_named_as_a_flag_leads_to_its_endpoint_or_to_aws() {
    let house = House::new().with_env_keys();
    let prod = house.connect(&profile("prod")).unwrap();
    assert_eq!((prod.url, prod.region.as_str()), (None, "eu-west-1"));
    assert_eq!(prod.keys.session_token.as_deref(), Some("t"));
    assert_eq!(
        house.settled(&profile("lab")),
        found("http://lab:4080", "LAB")
    );
}

#[test]
fn a_profile_without_keys_says_how_to_get_them() {
    let house = House::new();
    for (name, words) in [("role", "role_arn"), ("none", "there is no AWS profile")] {
        let error = house.connect(&profile(name)).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn regions_in_order() {
    let region = |house: &House, target: &Target| house.connect(target).unwrap().region;
    let house = House::new();
    assert_eq!(region(&house, &Target::default()), "us-east-1");
    let house = house.with("AWS_PROFILE", "prod");
    assert_eq!(region(&house, &Target::default()), "eu-west-1");
    let house = house
        .with("AWS_DEFAULT_REGION", "b")
        .with("AWS_REGION", "a");
    assert_eq!(region(&house, &Target::default()), "a");
    let flag = Target {
        region: Some("f".to_owned()),
        ..Target::default()
    };
    assert_eq!(region(&house, &flag), "f");
}

/// A readable file with a certificate.
fn bundle(house: &House, name: &str) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = house.home.path().join(name);
    std::fs::write(&path, made.cert.pem()).unwrap();
    path
}

fn trusted(house: &House, target: &Target) -> anyhow::Result<bool> {
    let trust = target.trust_in(&|name| house.variables.get(name).cloned())?;
    Ok(trust.rustls_config().is_some())
}

#[test]
fn certificates_come_from_the_flag_then_the_environment_then_the_profile() {
    let missing = "/none/ca.pem";
    let house = House::new();
    assert!(!trusted(&house, &Target::default()).unwrap());
    let file = bundle(&house, "ca.pem");
    let flag = Target {
        ca_bundle: Some(file.clone()),
        ..Target::default()
    };
    let house = house.with("AWS_CA_BUNDLE", missing);
    assert!(trusted(&house, &flag).unwrap());
    let error = trusted(&house, &Target::default()).unwrap_err().to_string();
    assert!(
        error.contains("AWS_CA_BUNDLE names /none/ca.pem"),
        "{error}"
    );
    let any = Target {
        no_verify_ssl: true,
        ..Target::default()
    };
    assert!(trusted(&house, &any).unwrap());
    let house = house.with("AWS_CA_BUNDLE", &file.display().to_string());
    assert!(trusted(&house, &Target::default()).unwrap());

    let house = House::new();
    let file = bundle(&house, "profile.pem");
    let config = format!(
        "[profile lab]\nca_bundle = {}\n[profile broken]\nca_bundle = {missing}\n",
        file.display()
    );
    std::fs::write(house.home.path().join(".aws/config"), config).unwrap();
    assert!(trusted(&house, &profile("lab")).unwrap());
    assert!(trusted(&house, &profile("none")).is_err());
    let error = trusted(&house, &profile("broken")).unwrap_err().to_string();
    assert!(error.contains("the profile's ca_bundle"), "{error}");
    let house = house.with("AWS_PROFILE", "lab");
    assert!(trusted(&house, &Target::default()).unwrap());
    // A token needs no profile, so a missing profile is no error.
    let house = house.with("AWS_PROFILE", "gone");
    assert!(!trusted(&house, &Target::default()).unwrap());
}
