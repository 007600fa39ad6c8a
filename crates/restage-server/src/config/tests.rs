//! Tests of settings: files, flags, their checks, and the shipped file compared with the compiled defaults.

use std::path::Path;

use super::*;
use crate::keys::Permission;
use restage_node::media::Audience;

#[test]
fn the_shipped_file_equals_the_compiled_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../restage.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // Every setting must be in the file as a line or as a commented line.
    let known = toml::Value::try_from(Settings {
        data_dir: Some("d".into()),
        database: Some("d".into()),
        http: vec![SocketAddr::from(([127, 0, 0, 1], 1))],
        tls_cert: Some("c".into()),
        tls_key: Some("k".into()),
        tls: Some(TlsMode::Auto),
        acme_accept_terms: Some(true),
        acme_directory: Some("u".into()),
        acme_ca_file: Some("f".into()),
        acme_email: Some("e".into()),
        acme_challenge: Some(AcmeChallenge::Http),
        acme_profile: Some("p".into()),
        rtmp: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
        rtmps: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
        media_port: Some(1),
        workers: Some(1),
        media_ip: vec![IpAddr::from([127, 0, 0, 1])],
        media_tcp_port: Some(1),
        turn: Some(true),
        h264_profile_match: Some(ProfileMatch::Strict),
        public_url: Some("http://x".into()),
        account_id: Some("1".into()),
        auth: Some(Auth::None),
        expose_without_auth: Some(true),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        connections_per_address: Some(1),
        limits: Some(LimitSet::Aws),
        limit_stages: Some(1),
        limit_public_keys: Some(1),
        limit_encoder_configurations: Some(1),
        limit_storage_configurations: Some(1),
        limit_ingest_configurations: Some(1),
        limit_compositions: Some(1),
        limit_compositions_per_stage: Some(1),
        limit_publishers_per_stage: Some(1),
        limit_subscribers_per_stage: Some(1),
        limit_replications_per_participant: Some(1),
        limit_publishers: Some(1),
        limit_subscriptions: Some(1),
        limit_connection_seconds: Some(1),
        limit_publish_bitrate: Some(1),
        limit_download_bitrate: Some(1),
        limit_publish_resolution: Some(1),
        limit_publish_codecs: vec![VideoCodec::H264],
        rate_create_participant_token: Some(1),
        rate_tags: Some(1),
        rate_public_keys: Some(1),
        rate_others: Some(1),
        access_keys: vec![AccessKey {
            account_id: "1".into(),
            access_key_id: "A".into(),
            secret_file: "s".into(),
            permission: "full".into(),
        }],
        session_idle_seconds: Some(1),
        webhook_url: Some("u".into()),
        webhook_secret: Some("s".into()),
        webhook_attempts: Some(1),
        webhook_lanes: Some(1),
        events_file: Some("f".into()),
        events_extra: Some(true),
        answers_mb: Some(1),
        sqlite_sync: Some(SqliteSync::Normal),
        accept_data_loss: Some(true),
        accept_spool_loss: Some(true),
        accept_moved_buckets: Some(true),
        thumbnails_without_sandbox: Some(true),
        retention_days: Some(1),
        storage_root: Some("r".into()),
        s3: vec![S3::default()],
        channel: vec![Channel::default()],
        spool_mb: Some(1),
        spool_recording_mb: Some(1),
        spool_days: Some(1),
        metrics: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
        otlp_endpoint: Some("http://x".into()),
        log_format: Some(LogFormat::Json),
    })
    .unwrap();
    for name in known.as_table().unwrap().keys() {
        assert!(
            text.lines().any(|line| line
                .trim_start_matches("# ")
                .starts_with(&format!("{name} ="))),
            "{name} is missing from restage.toml"
        );
    }
    assert_eq!(
        Settings::read(&path).unwrap().resolve().unwrap(),
        Config::default()
    );
}

#[test]
fn the_number_of_lanes_has_bounds() {
    for (lanes, is_good) in [(0, false), (1, true), (1_024, true), (1_025, false)] {
        let settings = Settings {
            webhook_lanes: Some(lanes),
            ..Settings::default()
        };
        let resolved = settings.resolve();
        assert_eq!(resolved.is_ok(), is_good, "{lanes}");
        if let Err(error) = resolved {
            assert_eq!(error.to_string(), "webhook-lanes must be 1 to 1024");
        }
    }
}

#[test]
fn a_flag_wins_over_the_file() {
    let text = "media-port = 9\nlimits = \"aws\"\nlimit-stages = 7";
    let file: Settings = toml::from_str(text).unwrap();
    let flags = Settings {
        media_port: Some(7),
        ..Settings::default()
    };
    let config = flags.or(file).resolve().unwrap();
    let limits = Limits {
        stages: 7,
        ..Limits::AWS
    };
    assert_eq!((config.media_port, config.limits), (7, limits));
    assert_eq!(config.rates, Rates::AWS);
}

#[test]
fn codecs_are_those_of_the_set_unless_they_are_named() {
    use restage_core::VideoCodec as Codec;
    let taken = |text: &str| {
        let settings = toml::from_str::<Settings>(text).unwrap();
        let codecs = settings.resolve().unwrap().limits.publish_codecs;
        let all = Codec::ALL.into_iter();
        all.filter(|codec| codecs.has(*codec)).collect::<Vec<_>>()
    };
    assert_eq!(taken(""), Codec::ALL);
    assert_eq!(taken("limits = \"aws\""), [Codec::H264]);
    let wider = "limits = \"aws\"\nlimit-publish-codecs = [\"h264\", \"vp8\"]";
    assert_eq!(taken(wider), [Codec::H264, Codec::Vp8]);
    let error = toml::from_str::<Settings>("limit-publish-codecs = [\"theora\"]").unwrap_err();
    assert!(error.to_string().contains("theora"), "{error}");
}

#[test]
fn listeners_are_one_or_a_few() {
    let resolve = |text: &str| {
        let settings = toml::from_str::<Settings>(text).map_err(|error| error.to_string())?;
        let config = settings.resolve().map_err(|error| error.to_string())?;
        Ok::<_, String>(config.http)
    };
    let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    let (one, two) = ("0.0.0.0:80", "[::]:443");
    assert_eq!(resolve("http = \"0.0.0.0:80\"").unwrap(), addresses(&[one]));
    let both = format!("http = [{one:?}, {two:?}]");
    assert_eq!(resolve(&both).unwrap(), addresses(&[one, two]));
    assert_eq!(resolve("http = []").unwrap(), Config::default().http);
    assert!(resolve("http = 80").unwrap_err().contains("or a list"));
    let twice = format!("http = [{one:?}, {one:?}]");
    assert!(resolve(&twice).unwrap_err().contains("each address once"));
    let many: Vec<String> = (0..=HTTP_MAX)
        .map(|n| format!("\"127.0.0.1:{}\"", n + 1))
        .collect();
    let many = format!("http = [{}]", many.join(","));
    assert!(resolve(&many).unwrap_err().contains("8 times"));
    let free = resolve("http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").unwrap();
    assert_eq!(free.len(), 2);
}

#[test]
fn a_server_without_auth_is_exposed_only_if_told_twice() {
    let config = |http: &str, auth, expose| {
        let settings = Settings {
            http: vec![http.parse().unwrap()],
            auth: Some(auth),
            expose_without_auth: expose,
            ..Settings::default()
        };
        settings.resolve()
    };
    for http in ["0.0.0.0:4080", "[::]:4080", "192.0.2.7:4080"] {
        for expose in [None, Some(false)] {
            let error = config(http, Auth::None, expose).unwrap_err();
            assert!(error.to_string().contains(http), "{error}");
            let advice = error.advice().expect("advice");
            assert!(advice.contains("expose-without-auth"), "{advice}");
        }
        assert!(config(http, Auth::None, Some(true)).is_ok());
        assert!(config(http, Auth::Verify, None).is_ok());
    }
    for http in ["127.0.0.1:4080", "[::1]:4080"] {
        assert!(config(http, Auth::None, None).is_ok());
    }
}

#[test]
fn trusted_proxies_are_networks() {
    let text = "trusted-proxies = [\"10.0.0.0/8\", \"::1\"]\nconnections-per-address = 7";
    let config = toml::from_str::<Settings>(text).unwrap().resolve().unwrap();
    let networks: Vec<_> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(config.connections_per_address, 7);
    let error = toml::from_str::<Settings>("trusted-proxies = [\"proxy\"]").unwrap_err();
    assert!(error.to_string().contains("such as 10.0.0.0/8"), "{error}");
}

#[test]
fn access_keys_of_the_file_are_checked_and_opened() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let key = |account: &str, id: &str, permission: &str| {
        let text = format!(
            "access-keys = [{{ account-id = {account:?}, access-key-id = {id:?}, secret-file = {:?}, \
             permission = {permission:?} }}]",
            secret.display().to_string()
        );
        toml::from_str::<Settings>(&text).unwrap().resolve()
    };
    let config = key("111122223333", "AKIACI", "read-only").unwrap();
    let known = config.access_keys[0].open().unwrap();
    assert_eq!(known.credentials.secret_key, "s3cret");
    assert_eq!(known.holder.permission, Permission::ReadOnly);
    for (bad, word) in [
        (key("1", "AKIACI", "full"), "12 digits"),
        (key("111122223333", "A/B", "full"), "letters and digits"),
        (key("111122223333", "AKIACI", "most"), "most"),
    ] {
        let error = bad.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    std::fs::remove_file(&secret).unwrap();
    assert!(matches!(
        config.access_keys[0].open(),
        Err(ConfigError::AccessKey { .. })
    ));
}

#[test]
fn an_unknown_line_in_the_file_is_an_error() {
    assert!(toml::from_str::<Settings>("mediaport = 9").is_err());
}

#[test]
fn a_webhook_needs_a_secret() {
    let settings = || Settings {
        webhook_url: Some("https://example.test/".into()),
        ..Settings::default()
    };
    assert!(matches!(
        settings().resolve(),
        Err(ConfigError::HalfWebhook)
    ));
    let both = Settings {
        webhook_secret: Some("0123456789abcdef".into()),
        ..settings()
    };
    let webhook = both.resolve().unwrap().sinks.webhook.unwrap();
    assert_eq!(webhook.attempts, WEBHOOK_ATTEMPTS);
    assert_eq!(webhook.lanes, WEBHOOK_LANES);
}

#[test]
fn each_worker_needs_a_port() {
    let resolve = |media_port, workers| {
        let settings = Settings {
            media_port: Some(media_port),
            workers: Some(workers),
            ..Settings::default()
        };
        settings.resolve().map(|config| config.workers)
    };
    assert_eq!(resolve(4081, 4).unwrap(), 4);
    assert_eq!(resolve(65_535, 1).unwrap(), 1);
    for (port, workers) in [(65_535, 2), (4081, 0), (4081, WORKERS_MAX + 1)] {
        assert!(matches!(resolve(port, workers), Err(ConfigError::Workers)));
    }
}

#[test]
fn a_public_url_that_is_none_is_refused_with_the_rule() {
    let resolve = |url: &str| {
        let settings = Settings {
            public_url: Some(url.to_owned()),
            ..Settings::default()
        };
        settings.resolve().map(|config| config.public_url)
    };
    let plain = |url: &str| Some(url.to_owned());
    assert_eq!(resolve("http://x/video/").unwrap(), plain("http://x/video"));
    assert_eq!(resolve("http://x").unwrap(), plain("http://x"));
    assert_eq!(resolve("").unwrap(), None);
    let error = resolve("http://x/a/../b").unwrap_err().to_string();
    assert!(
        error.starts_with("public-url must") && error.contains("plain segments"),
        "{error}"
    );
}

#[test]
fn the_database_address_is_not_printed() {
    let address = "postgres://ann:hunter2@db/rs";
    let settings = Settings {
        database: Some(address.into()),
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
    let config = settings.resolve().unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.database.unwrap().reveal(), address);
}

#[test]
fn media_stays_on_this_machine_with_http() {
    let places = Config::default().media_places().unwrap();
    assert_eq!(places.audience, Audience::ThisMachine);
    assert_eq!(places.addresses[0], IpAddr::from([127, 0, 0, 1]));
}
