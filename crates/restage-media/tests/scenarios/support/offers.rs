//! Offers in the forms of real clients. Values are invented; only the kinds of lines matter.

const FINGERPRINT: &str = "sha-256 10:32:54:76:98:BA:DC:FE:10:32:54:76:98:BA:DC:FE:10:32:54:76:98:BA:DC:FE:10:32:54:76:98:BA:DC:FE";
const ICE: &str = "a=ice-ufrag:Uf9+\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";

/// Everything per section, extensions with ids, several H.264 profiles, with RTX, RED and FEC.
pub fn chromium(direction: &str) -> String {
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n{ICE}a=ice-options:trickle\r\na=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"
    );
    let h264 = |pt: u8, mode: u8, profile: &str| {
        let rtx = pt + 1;
        format!(
            "a=rtpmap:{pt} H264/90000\r\na=rtcp-fb:{pt} goog-remb\r\na=rtcp-fb:{pt} transport-cc\r\n\
             a=rtcp-fb:{pt} ccm fir\r\na=rtcp-fb:{pt} nack\r\na=rtcp-fb:{pt} nack pli\r\n\
             a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}\r\n\
             a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n"
        )
    };
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n{transport}a=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
         a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a={direction}\r\na=msid:stream audio\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=ssrc:1001 cname:abc\r\na=ssrc:1001 msid:stream audio\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105 106 107 39 40 98 99 112 113 116 117 118\r\n{transport}a=mid:1\r\n\
         a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n\
         a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
         a=extmap:13 urn:3gpp:video-orientation\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
         a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
         a={direction}\r\na=msid:stream video\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
         a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
         {}{}{}{}a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
         {}a=rtpmap:116 red/90000\r\na=rtpmap:117 rtx/90000\r\na=fmtp:117 apt=116\r\na=rtpmap:118 ulpfec/90000\r\n\
         a=ssrc-group:FID 2001 2002\r\na=ssrc:2001 cname:abc\r\na=ssrc:2001 msid:stream video\r\na=ssrc:2002 cname:abc\r\n",
        h264(102, 1, "42001f"),
        h264(104, 0, "42001f"),
        h264(106, 1, "42e01f"),
        h264(39, 0, "42e01f"),
        h264(112, 1, "64001f"),
    )
}

/// Credentials and fingerprint partly at session level, long mids, directions on extensions, mDNS candidates.
pub fn firefox(direction: &str) -> String {
    format!(
        "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 4294967296 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
         a=fingerprint:{FINGERPRINT}\r\na=group:BUNDLE audio0 video0\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\n\
         m=audio 58000 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\nc=IN IP4 0.0.0.0\r\n\
         a=candidate:0 1 UDP 2122252543 6bd9d5c1-0c2a.local 58000 typ host\r\na={direction}\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
         a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n\
         a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\n\
         a=fmtp:101 0-15\r\n{ICE}a=mid:audio0\r\na=msid:{{1}} {{2}}\r\na=rtcp-mux\r\na=rtpmap:109 opus/48000/2\r\n\
         a=rtpmap:9 G722/8000/1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000/1\r\n\
         a=setup:actpass\r\na=ssrc:3001 cname:{{3}}\r\n\
         m=video 58001 UDP/TLS/RTP/SAVPF 120 124 121 125 126 127 97 98\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na={direction}\r\n\
         a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:5 urn:ietf:params:rtp-hdrext:toffset\r\n\
         a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n\
         a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1\r\na=fmtp:120 max-fs=12288;max-fr=60\r\n\
         a=fmtp:124 apt=120\r\na=fmtp:125 apt=121\r\na=fmtp:127 apt=126\r\na=fmtp:98 apt=97\r\n{ICE}a=mid:video0\r\n\
         a=rtcp-fb:120 nack\r\na=rtcp-fb:120 nack pli\r\na=rtcp-fb:120 ccm fir\r\na=rtcp-fb:120 transport-cc\r\n\
         a=rtcp-fb:126 nack\r\na=rtcp-fb:126 nack pli\r\na=rtcp-fb:126 ccm fir\r\na=rtcp-fb:126 transport-cc\r\na=rtcp-mux\r\n\
         a=rtpmap:120 VP8/90000\r\na=rtpmap:124 rtx/90000\r\na=rtpmap:121 VP9/90000\r\na=rtpmap:125 rtx/90000\r\n\
         a=rtpmap:126 H264/90000\r\na=rtpmap:127 rtx/90000\r\na=rtpmap:97 H264/90000\r\na=rtpmap:98 rtx/90000\r\n\
         a=setup:actpass\r\na=ssrc:3002 cname:{{3}}\r\na=ssrc:3003 cname:{{3}}\r\na=ssrc-group:FID 3002 3003\r\n"
    )
}

/// Three fingerprints, candidates with an end-of-candidates line in each section, numbers as mids.
pub fn aiortc(direction: &str) -> String {
    let transport = format!(
        "a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host\r\na=end-of-candidates\r\n{ICE}\
         a=fingerprint:{FINGERPRINT}\r\na=fingerprint:sha-384 00\r\na=fingerprint:sha-512 00\r\na=setup:actpass\r\n"
    );
    format!(
        "v=0\r\no=- 3900000000 3900000000 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic:WMS *\r\n\
         m=audio 40000 UDP/TLS/RTP/SAVPF 96 9 0 8\r\nc=IN IP4 192.0.2.7\r\na={direction}\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
         a=mid:0\r\na=msid:s a\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ssrc:11 cname:c\r\na=rtpmap:96 opus/48000/2\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n{transport}\
         m=video 40000 UDP/TLS/RTP/SAVPF 97 98 99 100 101 102\r\nc=IN IP4 192.0.2.7\r\na={direction}\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\na=mid:1\r\na=msid:s v\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ssrc-group:FID 12 13\r\na=ssrc:12 cname:c\r\na=ssrc:13 cname:c\r\n\
         a=rtpmap:97 VP8/90000\r\na=rtcp-fb:97 nack\r\na=rtcp-fb:97 nack pli\r\na=rtcp-fb:97 goog-remb\r\n\
         a=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\na=rtpmap:99 H264/90000\r\na=rtcp-fb:99 nack\r\na=rtcp-fb:99 nack pli\r\n\
         a=fmtp:99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\na=rtpmap:100 rtx/90000\r\n\
         a=fmtp:100 apt=99\r\na=rtpmap:101 H264/90000\r\na=rtcp-fb:101 nack\r\na=rtcp-fb:101 nack pli\r\n\
         a=fmtp:101 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:102 rtx/90000\r\n\
         a=fmtp:102 apt=101\r\n{transport}"
    )
}

/// As libdatachannel writes it: video has no RTX, mids are words, everything else at session level.
pub fn obs() -> String {
    format!(
        "v=0\r\no=rtc 1650000000 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE audio video\r\na=group:LS audio video\r\n\
         a=msid-semantic:WMS *\r\na=setup:actpass\r\n{ICE}a=ice-options:ice2,trickle\r\na=fingerprint:{FINGERPRINT}\r\n\
         m=audio 50000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.9\r\na=mid:audio\r\na=sendonly\r\na=ssrc:21 cname:o\r\n\
         a=ssrc:21 msid:s s-audio\r\na=msid:s s-audio\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1\r\n\
         a=candidate:1 1 UDP 2122317823 192.0.2.9 50000 typ host\r\na=end-of-candidates\r\n\
         m=video 50000 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 192.0.2.9\r\na=mid:video\r\na=sendonly\r\na=ssrc:22 cname:o\r\n\
         a=ssrc:22 msid:s s-video\r\na=msid:s s-video\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
         a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r\n"
    )
}

/// A DTLS server, no header extensions, no feedback but nack, codec names in upper case.
pub fn ffmpeg() -> String {
    format!(
        "v=0\r\no=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1\r\ns=FFmpegPublishSession\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n{ICE}\
         a=fingerprint:{FINGERPRINT}\r\na=setup:passive\r\na=mid:0\r\na=sendonly\r\na=msid:FFmpeg audio\r\na=rtcp-mux\r\n\
         a=rtpmap:111 OPUS/48000/2\r\na=ssrc:31 cname:FFmpeg\r\na=ssrc:31 msid:FFmpeg audio\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 106\r\nc=IN IP4 0.0.0.0\r\n{ICE}a=fingerprint:{FINGERPRINT}\r\na=setup:passive\r\na=mid:1\r\n\
         a=sendonly\r\na=msid:FFmpeg video\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:106 H264/90000\r\n\
         a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=ssrc:32 cname:FFmpeg\r\na=ssrc:32 msid:FFmpeg video\r\n"
    )
}

/// webrtcbin: mids with long names, High profile first, sendrecv, a session-level setup, an empty session name.
pub fn gstreamer(direction: &str) -> String {
    format!(
        "v=0\r\no=- 2353242342342342 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\na=group:BUNDLE video0 audio1\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\n{ICE}a=rtcp-mux\r\na=rtcp-rsize\r\n\
         a={direction}\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n\
         a=rtcp-fb:96 transport-cc\r\na=framerate:30\r\na=fmtp:96 packetization-mode=1;profile-level-id=42c016;sprop-parameter-sets=Z0LAFg==\r\n\
         a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP8/90000\r\na=rtcp-fb:98 nack pli\r\n\
         a=ssrc-group:FID 41 42\r\na=ssrc:41 msid:user x\r\na=ssrc:41 cname:user\r\na=ssrc:42 cname:user\r\na=mid:video0\r\n\
         a=fingerprint:{FINGERPRINT}\r\na=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         m=audio 0 UDP/TLS/RTP/SAVPF 99\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=setup:actpass\r\n{ICE}a=rtcp-mux\r\na=rtcp-rsize\r\n\
         a={direction}\r\na=rtpmap:99 OPUS/48000/2\r\na=rtcp-fb:99 transport-cc\r\na=fmtp:99 sprop-maxcapturerate=48000;sprop-stereo=0\r\n\
         a=ssrc:43 cname:user\r\na=mid:audio1\r\na=fingerprint:{FINGERPRINT}\r\n"
    )
}

pub fn publishers() -> [(&'static str, String); 7] {
    [
        ("chromium", chromium("sendonly")),
        ("chromium, sendrecv", chromium("sendrecv")),
        ("firefox", firefox("sendonly")),
        ("aiortc", aiortc("sendonly")),
        ("obs", obs()),
        ("ffmpeg", ffmpeg()),
        ("gstreamer", gstreamer("sendonly")),
    ]
}

pub fn subscribers() -> [(&'static str, String); 5] {
    [
        ("chromium", chromium("recvonly")),
        ("firefox", firefox("recvonly")),
        ("aiortc", aiortc("recvonly")),
        ("aiortc, sendrecv", aiortc("sendrecv")),
        ("gstreamer", gstreamer("recvonly")),
    ]
}
