use super::*;
use restage_core::id::StageSessionId;

fn live(peer: u64) -> Live {
    Live::new(
        StageId::new("A"),
        ParticipantId::new("p"),
        ConnectionKind::Publish,
        Reach::Peer(PeerId(peer)),
        "token",
    )
}

#[test]
fn ice_restarts_are_bounded_within_a_time() {
    let (mut live, begun) = (live(1), now());
    for count in 1..=u32::try_from(RESTARTS_MAX).unwrap() {
        assert!(live.may_restart_ice(begun));
        assert_eq!(live.restarts_ice(begun), count);
    }
    assert!(!live.may_restart_ice(begun));
    assert!(!live.may_restart_ice(begun + RESTARTS_WITHIN - Duration::from_millis(1)));
    let later = begun + RESTARTS_WITHIN;
    assert!(live.may_restart_ice(later));
    // What is remembered stays bounded.
    for _ in 0..100 {
        live.restarts_ice(later);
    }
    assert_eq!(live.restarted_at.len(), RESTARTS_MAX);
    assert!(!live.may_restart_ice(later));
}

#[test]
fn a_publication_handle_lives_as_long_as_somebody_uses_it() {
    let mut table = Connections::default();
    let key = PublicationKey {
        session: StageSessionId::new("st-1"),
        participant: ParticipantId::new("p"),
    };
    let (one, two) = (ConnectionId::new("1"), ConnectionId::new("2"));
    table.insert(one.clone(), live(1));
    table.insert(two.clone(), live(2));
    let handle = restage_media::PublicationId(7);
    assert_eq!(
        table.attach(&one, &key, || handle),
        Some((Attached::Peer(PeerId(1)), handle))
    );
    let unused = || restage_media::PublicationId(8);
    assert_eq!(
        table.attach(&two, &key, unused),
        Some((Attached::Peer(PeerId(2)), handle))
    );
    assert_eq!(
        table.attach(&two, &key, unused),
        Some((Attached::Peer(PeerId(2)), handle))
    );
    let (tapped, life) = table.life_of(&key).unwrap();
    assert_eq!(tapped, handle);
    table.remove(&one);
    assert_eq!(table.publications.len(), 1);
    assert!(life.has_changed().is_ok(), "it goes on");
    table.remove(&two);
    assert!(life.has_changed().is_err() && table.life_of(&key).is_none());
    assert!(table.publications.is_empty() && table.by_peer.is_empty());
    assert!(table.remove(&two).is_none());
}

#[test]
fn a_participant_is_known_by_its_stage_and_its_kind_of_connection() {
    let mut table = Connections::default();
    table.insert(ConnectionId::new("1"), live(1));
    let has = |stage, participant, kind| {
        let (stage, participant) = (StageId::new(stage), ParticipantId::new(participant));
        table.has(&stage, &participant, &kind)
    };
    assert!(has("A", "p", ConnectionKind::Publish));
    assert!(!has("B", "p", ConnectionKind::Publish));
    assert!(!has("A", "q", ConnectionKind::Publish));
    let publisher = ParticipantId::new("p");
    assert!(!has("A", "p", ConnectionKind::Subscribe { publisher }));
}

#[test]
fn a_message_for_a_participant_reaches_its_sockets_and_no_others() {
    let mut table = Connections::default();
    let mut inboxes = Vec::new();
    let whose = [("A", "ann"), ("A", "ann"), ("A", "bob"), ("B", "ann")];
    for (number, (stage, participant)) in whose.into_iter().enumerate() {
        let (messages, inbox) = mpsc::channel(1);
        let close = watch::Sender::new(None);
        let live = Live::new(
            StageId::new(stage),
            ParticipantId::new(participant),
            ConnectionKind::Events,
            Reach::Socket(SocketEnd {
                close,
                messages,
                streams: Arc::default(),
            }),
            "token",
        );
        table.insert(ConnectionId::new(number.to_string()), live);
        inboxes.push(inbox);
    }
    let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
    table.remove(&ConnectionId::new("0"));
    for socket in table.sockets_of(&stage, &ann) {
        socket.messages.try_send("hello".into()).unwrap();
    }
    let got: Vec<bool> = inboxes
        .iter_mut()
        .map(|inbox| inbox.try_recv().is_ok())
        .collect();
    assert_eq!(got, [false, true, false, false]);
    table.remove(&ConnectionId::new("1"));
    assert_eq!(table.sockets_of(&stage, &ann).count(), 0);
    assert_eq!(table.sockets.len(), 2);
}

#[test]
fn what_a_participant_may_send_is_known_as_long_as_it_publishes() {
    let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
                 a=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n";
    let fingerprint = ["ab"; 32].join(":");
    let section = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = format!("{offer}a=fingerprint:sha-256 {fingerprint}\r\n{section}");
    let published = Published::of(&offer).unwrap();
    let mut table = Connections::default();
    let ids = [ConnectionId::new("1"), ConnectionId::new("2")];
    let p = ParticipantId::new("p");
    for (number, id) in (1..).zip(&ids) {
        let publishes = live(number).publishing(Some(published.clone()));
        table.insert(id.clone(), publishes);
    }
    table.insert(ConnectionId::new("3"), live(3));
    assert_eq!(table.published(&p).len(), 2);
    assert!(table.published(&ParticipantId::new("q")).is_empty());
    ids.iter().for_each(|id| drop(table.remove(id)));
    assert!(table.published(&p).is_empty() && table.publishing.is_empty());
}

#[test]
fn what_a_subscriber_is_shown_reaches_its_own_sockets_until_it_ends() {
    let mut table = Connections::default();
    let publisher = || ParticipantId::new("pub");
    let boards: Vec<Arc<Streams>> = ["ann", "bob"]
        .map(|who| {
            let streams: Arc<Streams> = Arc::default();
            let live = Live::new(
                StageId::new("A"),
                ParticipantId::new(who),
                ConnectionKind::Events,
                Reach::Socket(SocketEnd {
                    close: watch::Sender::new(None),
                    messages: mpsc::channel(1).0,
                    streams: Arc::clone(&streams),
                }),
                "token",
            );
            table.insert(ConnectionId::new(format!("socket of {who}")), live);
            streams
        })
        .to_vec();
    let id = ConnectionId::new("1");
    let subscribing = Live::new(
        StageId::new("A"),
        ParticipantId::new("ann"),
        ConnectionKind::Subscribe {
            publisher: publisher(),
        },
        Reach::Peer(PeerId(1)),
        "token",
    );
    table.insert(id.clone(), subscribing);
    let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
    assert_eq!(table.subscriptions_of(&stage, &ann).count(), 1);
    let state = StreamState {
        is_adapting: true,
        ..StreamState::default()
    };
    table.show(&id, state);
    assert_eq!([boards[0].len(), boards[1].len()], [1, 0]);
    table.remove(&id);
    assert_eq!(boards[0].len(), 0);
    assert!(table.subscriptions.is_empty());
}

#[test]
fn who_is_muted_is_told_to_the_subscribers_of_that_publication_in_every_stage() {
    let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
                 a=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n";
    let fingerprint = ["ab"; 32].join(":");
    let section = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = format!("{offer}a=fingerprint:sha-256 {fingerprint}\r\n{section}");
    let mut table = Connections::default();
    let key = |session: &str| PublicationKey {
        session: StageSessionId::new(session),
        participant: ParticipantId::new("p"),
    };
    let publisher = ConnectionId::new("pub");
    let publishes = live(1).publishing(Published::of(&offer));
    table.insert(publisher.clone(), publishes);
    let mut boards: Vec<Arc<Streams>> = Vec::new();
    for (number, (stage, session)) in (2..).zip([("A", "st-1"), ("B", "st-1"), ("C", "st-2")]) {
        let (stage, viewer) = (StageId::new(stage), ParticipantId::new("viewer"));
        let streams: Arc<Streams> = Arc::default();
        let socket = Reach::Socket(SocketEnd {
            close: watch::Sender::new(None),
            messages: mpsc::channel(1).0,
            streams: Arc::clone(&streams),
        });
        let events = ConnectionKind::Events;
        let listening = Live::new(stage.clone(), viewer.clone(), events, socket, "token");
        table.insert(ConnectionId::new(format!("socket {number}")), listening);
        let kind = ConnectionKind::Subscribe {
            publisher: ParticipantId::new("p"),
        };
        let id = ConnectionId::new(format!("watch {number}"));
        let watching = Live::new(stage, viewer, kind, Reach::Peer(PeerId(number)), "token");
        table.insert(id.clone(), watching);
        table.attach(&id, &key(session), || restage_media::PublicationId(number));
        table.show(&id, StreamState::default());
        boards.push(streams);
    }
    let (stage, p) = (StageId::new("A"), ParticipantId::new("p"));
    let audio = |muted: &mut Muted| muted.audio = true;
    assert_eq!(
        table.mute(&stage, &p, audio),
        None,
        "it publishes nothing yet"
    );
    table.attach(&publisher, &key("st-1"), || restage_media::PublicationId(9));
    let muted = Muted {
        audio: true,
        video: false,
    };
    assert_eq!(table.mute(&stage, &p, audio), Some((key("st-1"), muted)));
    assert_eq!(
        (table.muted(&key("st-1")), table.muted(&key("st-2"))),
        (muted, Muted::default())
    );
    let shown = |place: usize| boards[place].state(&p).unwrap().is_audio_stopped;
    assert_eq!([shown(0), shown(1), shown(2)], [true, true, false]);
    // What the media plane reports later is told with it, and without it when the publisher leaves.
    let state = StreamState {
        is_adapting: true,
        ..StreamState::default()
    };
    table.show(&ConnectionId::new("watch 3"), state.clone());
    assert!(shown(1));
    assert_eq!(
        table.mute(&StageId::new("B"), &p, audio),
        None,
        "a replica is not muted there"
    );
    table.remove(&publisher);
    table.show(&ConnectionId::new("watch 3"), state);
    assert!(!shown(1));
}

#[test]
fn subscriptions_of_a_participant_share_a_download_and_unused_ones_are_swept_out() {
    let mut table = Connections::default();
    let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
    let first = table.download(&stage, &ann, Some(9));
    assert!(Arc::ptr_eq(&first, &table.download(&stage, &ann, Some(9))));
    let elsewhere = table.download(&StageId::new("B"), &ann, Some(9));
    assert!(!Arc::ptr_eq(&first, &elsewhere));
    for number in 0..10_000 {
        table.download(&stage, &ParticipantId::new(format!("p{number}")), Some(9));
    }
    assert!(table.downloads.len() < 100);
    assert!(Arc::ptr_eq(&first, &table.download(&stage, &ann, Some(9))));
}
