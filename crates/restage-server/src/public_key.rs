//! Public keys of participant tokens: ECDSA on P-384, as SubjectPublicKeyInfo in PEM
//! (RFC 5480, RFC 7468 §13).

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::Engine as _;
use md5::{Digest as _, Md5};
use restage_api::shape::pem_base64;
use spki::der::asn1::ObjectIdentifier;
use spki::der::{Decode as _, asn1::BitStringRef};
use spki::{SubjectPublicKeyInfo, der::asn1::AnyRef};

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// Keys that are often sent by mistake, by object identifier: algorithms, then curves.
const KNOWN: [(ObjectIdentifier, &str); 10] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        "an RSA key",
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"),
        "an RSA-PSS key",
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"),
        "a DSA key",
    ),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "an X25519 key"),
    (
        ObjectIdentifier::new_unwrap("1.3.101.112"),
        "an Ed25519 key",
    ),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "an Ed448 key"),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        "on the curve P-256 (prime256v1)",
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        "on the curve P-521 (secp521r1)",
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.132.0.33"),
        "on the curve P-224 (secp224r1)",
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.132.0.10"),
        "on the curve secp256k1",
    ),
];

/// Why a key cannot be used for tokens.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PublicKeyError {
    #[error("is not base64 between its first and last line")]
    Base64,
    #[error("is not the DER of a public key (SubjectPublicKeyInfo)")]
    Der,
    #[error("must be an elliptic-curve key on P-384 (secp384r1); this is {0}")]
    Algorithm(String),
    #[error("must have its point uncompressed (openssl ec -pubin -conv_form uncompressed)")]
    Compressed,
    #[error("is not a point on P-384")]
    Point,
}

/// A key that was parsed and checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// The uncompressed point (SEC 1 §2.3.3), hexadecimal.
    pub point: String,
    /// MD5 of the DER, as pairs of hexadecimal digits: for comparing keys by eye, not for security.
    pub fingerprint: String,
}

impl PublicKey {
    /// Reads a PEM text that contains nothing else.
    ///
    /// # Errors
    /// The broken rule, as the end of a sentence that begins with the name of the member or file.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let base64 = pem_base64(pem)?;
        Self::from_base64(&base64).map_err(|error| error.to_string())
    }

    /// Reads the base64 text of a PEM block.
    ///
    /// # Errors
    /// [`PublicKeyError`], as the end of a sentence that begins with the name of the member or file.
    pub fn from_base64(text: &str) -> Result<Self, PublicKeyError> {
        let der = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|_| PublicKeyError::Base64)?;
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfo::<AnyRef<'_>, BitStringRef<'_>>::from_der(der)
            .map_err(|_| PublicKeyError::Der)?;
        if info.algorithm.oid != EC {
            return Err(PublicKeyError::Algorithm(called(info.algorithm.oid)));
        }
        let curve = info
            .algorithm
            .parameters_oid()
            .map_err(|_| PublicKeyError::Algorithm("one whose curve is not named".to_owned()))?;
        if curve != P384 {
            return Err(PublicKeyError::Algorithm(called(curve)));
        }
        let point = info
            .subject_public_key
            .as_bytes()
            .ok_or(PublicKeyError::Der)?;
        if matches!(point.first(), Some(2 | 3)) {
            return Err(PublicKeyError::Compressed);
        }
        if point.first() != Some(&4) {
            return Err(PublicKeyError::Point);
        }
        ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).map_err(|_| PublicKeyError::Point)?;
        let pairs = Md5::digest(der).iter().map(hex_pair).collect::<Vec<_>>();
        Ok(Self {
            point: hex::encode(point),
            fingerprint: pairs.join(":"),
        })
    }
}

fn hex_pair(byte: &u8) -> String {
    format!("{byte:02x}")
}

fn called(oid: ObjectIdentifier) -> String {
    KNOWN.iter().find(|(known, _)| *known == oid).map_or_else(
        || format!("one of kind {oid}"),
        |(_, name)| (*name).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pem: &str) -> Result<PublicKey, PublicKeyError> {
        PublicKey::from_base64(&pem_base64(pem).unwrap())
    }

    fn pem(lines: &[&str]) -> String {
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    // Made with openssl for these tests; the private keys were discarded.
    const GOOD: [&str; 3] = [
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEhxlYowLNAGMBGqrHEoJAp8J8klQDK3a1",
        "ct/ORsQwwn+tuJkWib9Z7PgwVs7obOWUwNrZh5K8jRA7z/cNG5dzZsU0FK/BwsS7",
        "hVSNwwyg8US3ku1D0Njdv2d8Q/KNCg8S",
    ];
    const COMPRESSED: [&str; 2] = [
        "MEYwEAYHKoZIzj0CAQYFK4EEACIDMgAChxlYowLNAGMBGqrHEoJAp8J8klQDK3a1",
        "ct/ORsQwwn+tuJkWib9Z7PgwVs7obOWU",
    ];
    const EXPLICIT: [&str; 10] = [
        "MIIBzDCCAWQGByqGSM49AgEwggFXAgEBMDwGByqGSM49AQECMQD/////////////",
        "/////////////////////////////v////8AAAAAAAAAAP////8wewQw////////",
        "//////////////////////////////////7/////AAAAAAAAAAD////8BDCzMS+n",
        "4j7n5JiOBWvj+C0ZGB2cbv6BQRIDFAiPUBOHWsZWOY2KLtGdKoXI7dPsKu8DFQCj",
        "NZJqoxmieh0AiWpnc6SCes2scwRhBKqHyiK+iwU3jrHHHvMgrXRuHTtii6ebmFn3",
        "QeCCVCo4VQLyXb9VKWw6VF44cnYKtzYX3kqWJixvXZ6Yv5KS3Cn49B29KJoUfOna",
        "MRO18LjACmCxzh1+gZ16Qx18kOoOXwIxAP//////////////////////////////",
        "/8djTYH0Ny3fWBoNskiwp3rs7BlqzMUpcwIBAQNiAASHGVijAs0AYwEaqscSgkCn",
        "wnySVAMrdrVy385GxDDCf624mRaJv1ns+DBWzuhs5ZTA2tmHkryNEDvP9w0bl3Nm",
        "xTQUr8HCxLuFVI3DDKDxRLeS7UPQ2N2/Z3xD8o0KDxI=",
    ];
    const P256: [&str; 2] = [
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjJyEiEto2FdMupc+Dp3y9Pez2UXp",
        "wCIJmnEr+uis3SzkeHbl7TQPSn4IhYQhM6AVoHEI739eUMullxMD6Je9LA==",
    ];
    const P521: [&str; 4] = [
        "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAjfXY1oqABMA1FRjlB9appW5eTZN3",
        "U/hkezo/RF2NdhyaVIHRUvYuYCUVr8HzhTPB+CykbMb0xee6HByj3GiKrs8BQjv8",
        "4A9Qmng9W+TSwlWIwv2TV31wyJlyZArxVoJfAExOB95OhYgvMUWq+RDoWm+tYXQC",
        "6wWSO7gluMFnfMWDcUE=",
    ];
    const BRAINPOOL: [&str; 3] = [
        "MHowFAYHKoZIzj0CAQYJKyQDAwIIAQELA2IABGv851r8CaFK1jnoKNqkffE7b4Bb",
        "l8SSeKpk2HEuARStYoqmVFS/i1BrjnTGKrWOzWy4sVIgfrYzST6rgXNiEHAZQCfU",
        "huy5FEgFp9SenSu7gkjqv1Hvrty38i7d95eHzg==",
    ];
    const RSA: [&str; 4] = [
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC1cmAw/4XJmSjqKUwMJ0+zsGOI",
        "bFbMxSyZ9ALQDq1DMmJMKbHszGh2VwyUOEWNu1Qdy1Bzvoiba2CnY67FyeyDK/3y",
        "rvgeAj59WCq5rB4Lvnh/+QCkYjTNWX/xBBqxn3YwevdTj62exxLXQZU/l6aerR5l",
        "GmdNqSl53b9mMaT++QIDAQAB",
    ];
    const ED25519: [&str; 1] = ["MCowBQYDK2VwAyEACdXuCxhVFqZvErmOQ4fMPyoT1bzQOe4fnXJFeoVVEXk="];
    const FINGERPRINT: &str = "49:7e:09:8e:73:5d:75:b8:ff:0f:67:03:a6:0d:a9:cf";

    #[test]
    fn a_p384_key_is_taken() {
        let key = read(&pem(&GOOD)).unwrap();
        assert_eq!(key.point.len(), 2 * 97);
        assert!(key.point.starts_with("04"));
        assert_eq!(key.fingerprint, FINGERPRINT);
    }

    #[test]
    fn other_keys_are_named() {
        for (lines, what) in [
            (&P256[..], "on the curve P-256 (prime256v1)"),
            (&P521[..], "on the curve P-521 (secp521r1)"),
            (&RSA[..], "an RSA key"),
            (&ED25519[..], "an Ed25519 key"),
            (&BRAINPOOL[..], "one of kind 1.3.36.3.3.2.8.1.1.11"),
        ] {
            let error = read(&pem(lines)).unwrap_err();
            assert_eq!(error, PublicKeyError::Algorithm(what.to_owned()));
        }
        assert_eq!(
            read(&pem(&EXPLICIT)),
            Err(PublicKeyError::Algorithm(
                "one whose curve is not named".to_owned()
            ))
        );
        assert_eq!(read(&pem(&COMPRESSED)), Err(PublicKeyError::Compressed));
    }

    #[test]
    fn garbage_is_garbage() {
        for (body, error) in [
            ("A", PublicKeyError::Base64),
            ("AAAA=", PublicKeyError::Base64),
            ("AAAA", PublicKeyError::Der),
            ("MAA=", PublicKeyError::Der),
        ] {
            assert_eq!(read(&pem(&[body])), Err(error), "{body}");
        }
    }

    #[test]
    fn no_change_of_a_byte_is_another_key_or_a_panic() {
        let der = base64::engine::general_purpose::STANDARD
            .decode(GOOD.concat())
            .unwrap();
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut bytes = der.clone();
                bytes[at] ^= 1 << bit;
                // With one changed bit in a coordinate, the point is not on the curve.
                assert!(PublicKey::from_der(&bytes).is_err(), "byte {at}, bit {bit}");
            }
            assert!(PublicKey::from_der(&der[..at]).is_err(), "cut at {at}");
        }
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(PublicKey::from_der(&longer), Err(PublicKeyError::Der));
        // The encoding of the point at infinity is one byte.
        let infinity = [&der[..20], &[3, 2, 0, 0]].concat();
        assert!(PublicKey::from_der(&infinity).is_err());
    }
}
