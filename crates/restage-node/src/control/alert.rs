//! DTLS alerts in words: RFC 8446 §6 and RFC 5246 §7.2, which DTLS shares with TLS.

/// The meaning of an alert's number and, where it has one common cause, advice.
pub(super) const fn meaning(code: u8) -> &'static str {
    match code {
        0 => "close_notify: it hung up in the middle of the handshake",
        10 => "unexpected_message: messages came in an order it does not know",
        20 => "bad_record_mac: a record was damaged, or made with other keys",
        21 => "decryption_failed: a record could not be decrypted",
        22 => "record_overflow: a record was too long",
        30 => "decompression_failure: a record could not be unpacked",
        40 => {
            "handshake_failure: the two sides have no cipher suite, curve or SRTP profile in common, or a certificate is missing"
        }
        41 => "no_certificate: it has no certificate",
        42 => "bad_certificate: the certificate is damaged, or its signature is wrong",
        43 => "unsupported_certificate: the certificate is of a kind it does not take",
        44 => "certificate_revoked: the certificate was revoked",
        45 => "certificate_expired: the certificate has expired, or is not valid yet",
        46 => {
            "certificate_unknown: the certificate is not the one of the fingerprint in the SDP, or not acceptable"
        }
        47 => "illegal_parameter: a field of the handshake has a value it must not have",
        48 => "unknown_ca: it does not take certificates that sign themselves",
        49 => "access_denied: it does not let this certificate in",
        50 => "decode_error: a message could not be read",
        51 => "decrypt_error: a signature or a check of the handshake did not verify",
        60 => "export_restriction: export rules forbid it",
        70 => "protocol_version: the two sides have no version of DTLS in common",
        71 => "insufficient_security: it wants stronger ciphers or keys than are offered",
        80 => "internal_error: something failed on its side",
        86 => "inappropriate_fallback: an older version was tried where a newer one is known",
        90 => "user_canceled: it was cancelled",
        100 => "no_renegotiation: it does not negotiate anew",
        109 => "missing_extension: an extension it needs is missing",
        110 => "unsupported_extension: an extension was answered that it never offered",
        112 => "unrecognized_name: it is not who was asked for",
        113 => "bad_certificate_status_response: the certificate's status could not be read",
        115 => "unknown_psk_identity: it does not know the pre-shared key",
        116 => "certificate_required: it wants a certificate and got none",
        120 => "no_application_protocol: the two sides have no application protocol in common",
        _ => "an alert that is in no standard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_words_and_what_is_no_alert_says_so() {
        let unknown = meaning(255);
        let known = (0..=254).filter(|code| meaning(*code) != unknown).count();
        assert_eq!(known, 32);
        assert!(meaning(46).starts_with("certificate_unknown"));
        assert!(meaning(40).starts_with("handshake_failure"));
    }
}
