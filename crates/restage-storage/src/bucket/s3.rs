//! A bucket of S3, or of what speaks its protocol.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpConnector as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Certificate, ClientOptions, Error, GetOptions, GetRange,
    ObjectStore as _, PutOptions, PutPayload, RetryConfig,
};

use crate::key::{BucketName, Key};

use super::credentials::FileCredentials;
use super::http::BoundedConnector;
use super::{Asked, BucketError, ContentType, Credentials, Encryption, Object, S3Settings};

/// Longest time until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The slowest rate, in bytes per second, at which an upload is waited for: less than any recording makes.
const RATE_MIN: u64 = 32 << 10;
/// Longest code of an error that is shown.
const CODE_CHARS_MAX: usize = 64;
/// Longest reason of the TLS library that is shown.
const REASON_BYTES_MAX: usize = 200;
/// The client's name of a setting for which it has no public type.
const ENCRYPTION_SETTING: &str = "aws_server_side_encryption";
/// Variables of the server's environment that say whose credentials are used. Others, such as an endpoint for all AWS
/// services, do not count: the settings name what they mean.
const CREDENTIAL_VARIABLES: [(&str, AmazonS3ConfigKey); 10] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        AmazonS3ConfigKey::WebIdentityTokenFile,
    ),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        AmazonS3ConfigKey::ContainerCredentialsFullUri,
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
    ),
];

/// A bucket with its client.
pub(super) struct S3Bucket {
    store: AmazonS3,
    name: BucketName,
    account: String,
    /// What the bucket is looked for in, for messages.
    service: String,
    /// Longest time of a request beside what its bytes take, and longest silence within an answer.
    timeout: Duration,
}

impl std::fmt::Debug for S3Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, service, .. } = self;
        write!(f, "S3Bucket {{ {name} of {service} }}")
    }
}

impl S3Bucket {
    pub(super) fn new(
        settings: &S3Settings,
        account: &str,
        region: &str,
        name: BucketName,
    ) -> Result<Self, BucketError> {
        let region = settings.region.as_deref().unwrap_or(region);
        let service = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("Amazon S3 in {region}"),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name.as_str())
            .with_region(region)
            .with_client_options(client_options(settings)?)
            .with_http_connector(BoundedConnector)
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(bucket_endpoint(endpoint, settings.path_style, &name)?);
        }
        builder = builder.with_virtual_hosted_style_request(!settings.path_style);
        builder = match &settings.encryption {
            Encryption::BucketDefault => builder,
            Encryption::S3 => match ENCRYPTION_SETTING.parse() {
                Ok(setting) => builder.with_config(setting, "AES256"),
                Err(error) => return Err(unusable(&error)),
            },
            Encryption::Kms(key) => builder.with_sse_kms_encryption(key),
        };
        builder = match &settings.credentials {
            Credentials::Chain => with_chain(builder),
            Credentials::File(path) => {
                builder.with_credentials(Arc::new(FileCredentials::new(path.clone(), account)))
            }
        };
        let store = builder.build().map_err(|error| unusable(&error))?;
        Ok(Self {
            store,
            name,
            account: account.to_owned(),
            service,
            timeout: settings.request_timeout,
        })
    }

    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        content_type: ContentType,
    ) -> Result<(), BucketError> {
        let path = self.path(key)?;
        self.authenticate().await?;
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type.as_str().into());
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let timeout = self.timeout + Duration::from_secs(bytes.len() as u64 / RATE_MIN);
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        match tokio::time::timeout(timeout, put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.fault(&error, key, "write")),
            Err(_) => Err(self.too_slow()),
        }
    }

    pub(super) async fn get(&self, key: &Key, asked: Asked) -> Result<Object, BucketError> {
        let path = self.path(key)?;
        self.authenticate().await?;
        let range = match asked {
            Asked::Whole => None,
            Asked::Between(from, to) => Some(GetRange::Bounded(from..to)),
            Asked::From(from) => Some(GetRange::Offset(from)),
            Asked::Last(count) => Some(GetRange::Suffix(count)),
        };
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let got = tokio::time::timeout(self.timeout, self.store.get_opts(&path, options));
        let found = match got.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(self.fault(&error, key, "read")),
            Err(_) => return Err(self.too_slow()),
        };
        let (size, range) = (found.meta.size, found.range.clone());
        let broken = BucketError::Unavailable(format!(
            "{} broke off while the bucket {} was read: try again",
            self.service, self.name
        ));
        let silence = self.timeout;
        let left = range.end.saturating_sub(range.start);
        let begun = (found.into_stream(), left);
        let bytes = stream::try_unfold(begun, move |(mut pieces, left)| {
            let broken = broken.clone();
            async move {
                match tokio::time::timeout(silence, pieces.next()).await {
                    Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                        Some(left) => Ok(Some((piece, (pieces, left)))),
                        // More than was asked for.
                        None => Err(broken),
                    },
                    Ok(None) if left == 0 => Ok(None),
                    Ok(None) | Ok(Some(Err(_))) | Err(_) => Err(broken),
                }
            }
        });
        Ok(Object {
            size,
            range,
            bytes: bytes.boxed(),
        })
    }

    fn path(&self, key: &Key) -> Result<Path, BucketError> {
        Path::parse(key.as_str())
            .map_err(|_| BucketError::Invalid(format!("{key} is not a key of S3")))
    }

    /// Makes sure that there are credentials, so that their absence is not taken for a fault of the bucket.
    async fn authenticate(&self) -> Result<(), BucketError> {
        let asked = tokio::time::timeout(self.timeout, self.store.credentials().get_credential());
        let reason = match asked.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(Error::Generic {
                store: "credentials",
                source,
            })) => source.to_string(),
            Ok(Err(_)) => "neither the environment nor this machine gives any".to_owned(),
            Err(_) => "the service that gives them does not answer".to_owned(),
        };
        Err(BucketError::Unauthenticated(format!(
            "there are no credentials for the bucket {} of account {}: {reason}",
            self.name, self.account
        )))
    }

    fn too_slow(&self) -> BucketError {
        BucketError::Unavailable(format!(
            "{} takes too long with the bucket {}: check the network between",
            self.service, self.name
        ))
    }

    /// The error for an error of the client. Its text may contain what the service answered, so only the status and the code
    /// are taken out of it.
    fn fault(&self, error: &Error, key: &Key, verb: &str) -> BucketError {
        let text = texts(error);
        let code = code(&text);
        let shown = code.map_or(String::new(), |code| format!(" ({code})"));
        let Self {
            name,
            service,
            account,
            ..
        } = self;
        let status = status(&text);
        match (error, status, code) {
            (_, _, Some("NoSuchBucket")) => BucketError::NotFound(format!(
                "there is no bucket {name} in {service}: create it, or name one that is there"
            )),
            (Error::NotFound { .. }, _, _) if verb == "read" => {
                BucketError::NoObject(format!("there is no {key} in the bucket {name}"))
            }
            (Error::NotFound { .. }, _, _) => BucketError::NotFound(format!(
                "{service} finds no bucket {name}{shown}: create it, or correct its name and the endpoint"
            )),
            (_, _, Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")) => {
                BucketError::Unauthenticated(format!(
                    "the credentials of account {account} for the bucket {name} have expired{shown}: renew them"
                ))
            }
            (_, _, Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken")) => {
                BucketError::Denied(format!(
                    "{service} does not know the credentials of account {account}{shown}: correct them"
                ))
            }
            (_, _, Some("RequestTimeTooSkewed")) => BucketError::Unauthenticated(format!(
                "the clock of this machine differs too much from that of {service}{shown}: set it right"
            )),
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _, _) => {
                BucketError::Denied(format!(
                    "{service} does not let account {account} {verb} in the bucket {name}{shown}: allow its credentials \
                 s3:PutObject and s3:GetObject"
                ))
            }
            (_, Some(301 | 307 | 308), _)
            | (_, _, Some("PermanentRedirect" | "AuthorizationHeaderMalformed")) => {
                BucketError::NotFound(format!(
                    "the bucket {name} is not where {service} is asked for it{shown}: set the endpoint or the region in which it is"
                ))
            }
            (_, _, Some("EntityTooLarge")) => BucketError::Rejected(format!(
                "{service} takes no object as large as {key} in the bucket {name}{shown}: record with a lower bitrate or shorter \
                 segments, or raise the limit of {service}"
            )),
            (_, Some(507), _)
            | (_, _, Some("XMinioStorageFull" | "QuotaExceeded" | "InsufficientStorage")) => {
                BucketError::Full(format!(
                    "{service} has no room left for the bucket {name}{shown}: make some"
                ))
            }
            (_, Some(400 | 405 | 411 | 413 | 414 | 416 | 422), _)
                if code != Some("RequestTimeout") =>
            {
                BucketError::Rejected(format!(
                    "{service} refuses to {verb} {key} in the bucket {name}{shown}"
                ))
            }
            (_, Some(status), _) => BucketError::Unavailable(format!(
                "{service} answers with status {status}{shown} for the bucket {name}: see what is wrong with it"
            )),
            (_, None, _) if text.contains("without LOCATION") => BucketError::NotFound(format!(
                "the bucket {name} is not where {service} is asked for it: set the endpoint or the region in which it is"
            )),
            (_, None, _) if text.contains("ETag") => BucketError::Unavailable(format!(
                "{service} answers for the bucket {name} without an ETag, which S3 always has: see what stands between, and that the \
                 endpoint is that of S3"
            )),
            (_, None, _) if text.contains("CaUsedAsEndEntity") => {
                BucketError::Unavailable(format!(
                    "the certificate of {service} is not trusted: it is marked as that of an authority, and a service needs one of its own: sign \
                 one with it, or make it without that mark (openssl req -x509 -addext basicConstraints=critical,CA:FALSE)"
                ))
            }
            (_, None, _) if distrust(&text).is_some() => {
                let reason = distrust(&text).unwrap_or_default();
                BucketError::Unavailable(format!(
                    "the certificate of {service} is not trusted: {reason}: name its authority in ca-file, or correct the certificate"
                ))
            }
            (_, None, _) if text.contains("received corrupt message") => {
                BucketError::Unavailable(format!(
                    "{service} does not speak TLS: correct the endpoint, which may have to begin with http://"
                ))
            }
            (_, None, _) => BucketError::Unavailable(format!(
                "{service} cannot be reached for the bucket {name}: check the network between, and the endpoint"
            )),
        }
    }
}

fn unusable(error: &Error) -> BucketError {
    BucketError::Denied(format!(
        "the settings of the storage do not work: {error}: change them"
    ))
}

/// The options of the HTTP client. Its own limit on a whole request is off, because the limit depends on the bytes.
fn client_options(settings: &S3Settings) -> Result<ClientOptions, BucketError> {
    let is_plain = settings
        .endpoint
        .as_deref()
        .is_some_and(|url| url.starts_with("http://"));
    let mut options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout_disabled()
        .with_read_timeout_disabled();
    if let Some(path) = &settings.ca_file {
        for certificate in certificates(path)? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

fn certificates(path: &FilePath) -> Result<Vec<Certificate>, BucketError> {
    let fault = |reason: String| {
        BucketError::Denied(format!(
            "the certificates in {} cannot be used: {reason}",
            path.display()
        ))
    };
    let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let read = Certificate::from_pem_bundle(&pem).map_err(|error| fault(error.to_string()))?;
    match read.is_empty() {
        true => Err(fault(
            "there is no certificate in it (BEGIN CERTIFICATE)".to_owned(),
        )),
        false => Ok(read),
    }
}

impl S3Settings {
    /// Checks the file that a client needs from the beginning: `ca_file`. Credentials may come later.
    ///
    /// # Errors
    /// [`BucketError::Denied`]: its certificates cannot be read, or there are none.
    pub fn check(&self) -> Result<(), BucketError> {
        let connected = BoundedConnector.connect(&client_options(self)?);
        connected.map(drop).map_err(|error| unusable(&error))
    }
}

/// The endpoint as the client wants it: with the bucket in its host unless paths name buckets.
fn bucket_endpoint(
    endpoint: &str,
    path_style: bool,
    bucket: &BucketName,
) -> Result<String, BucketError> {
    let endpoint = endpoint.trim_end_matches('/');
    let (scheme, rest) = match endpoint.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) if !rest.is_empty() => (scheme, rest),
        _ => {
            return Err(BucketError::Denied(format!(
                "the endpoint of the storage must begin with https:// or http://, not {endpoint:?}: change it"
            )));
        }
    };
    Ok(match path_style {
        true => endpoint.to_owned(),
        false => format!("{scheme}://{bucket}.{rest}"),
    })
}

/// Takes credentials from where the environment says.
fn with_chain(mut builder: AmazonS3Builder) -> AmazonS3Builder {
    for (variable, setting) in CREDENTIAL_VARIABLES {
        if let Ok(value) = std::env::var(variable)
            && !value.is_empty()
        {
            builder = builder.with_config(setting, value);
        }
    }
    builder
}

/// What an error says, with what caused it.
fn texts(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push('\n');
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Why TLS does not trust a certificate, in the words of the TLS library.
fn distrust(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("invalid peer certificate: ")?;
    let line = rest.lines().next()?;
    line.get(..line.floor_char_boundary(REASON_BYTES_MAX))
}

/// The status of the answer, which the client's error has only in its text.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The code in the answer of S3 (its REST API Reference, "Error responses").
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code =
        code.len() <= CODE_CHARS_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_certificate_is_not_trusted_is_found_in_what_the_client_says() {
        let text = "error sending request\nclient error (Connect)\ninvalid peer certificate: UnknownIssuer\nmore";
        assert_eq!(distrust(text), Some("UnknownIssuer"));
        assert_eq!(distrust("client error (Connect)"), None);
        let long = format!("invalid peer certificate: {}", "é".repeat(REASON_BYTES_MAX));
        assert_eq!(distrust(&long).map(str::len), Some(REASON_BYTES_MAX));
    }
}
