use super::super::health::PROBES_MAX;
use super::*;

const LANES: usize = 8;

fn event(seq: i64, stage: &str) -> Waiting {
    Waiting {
        seq,
        stage: StageId::new(stage),
        at: Time(seq),
    }
}

fn lanes(events: &[(i64, &str)]) -> Lanes {
    let mut lanes = Lanes::new(LANES);
    for (seq, stage) in events {
        lanes.add(event(*seq, stage));
    }
    lanes
}

fn turn(stage: &str, events: impl Into<Vec<i64>>) -> Option<Turn> {
    Some(Turn {
        stage: StageId::new(stage),
        events: events.into(),
    })
}

fn took(events: &[i64]) -> TurnEnd {
    TurnEnd {
        done: events.to_vec(),
        took_any: true,
        ..TurnEnd::default()
    }
}

fn refused(rest: Duration) -> TurnEnd {
    TurnEnd {
        rest: Some(rest),
        ..TurnEnd::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_stage_has_one_turn_at_a_time_and_the_next_as_soon_as_that_ends() {
    let now = Instant::now();
    let mut lanes = lanes(&[(1, "a"), (2, "b"), (3, "a")]);
    assert_eq!(lanes.next(now), turn("a", [1, 3]));
    assert_eq!(lanes.next(now), turn("b", [2]));
    lanes.add(event(4, "a"));
    assert_eq!(lanes.next(now), None, "a's turn goes on");
    lanes.ended(&StageId::new("a"), &took(&[1, 3]), now);
    assert_eq!(lanes.next(now), turn("a", [4]), "b's turn still goes on");
    assert_eq!(lanes.waiting(), 2);
    assert_eq!(lanes.oldest_at(), Some(Time(2)));
}

#[test]
fn a_turn_ends_after_a_few_events_and_others_have_theirs() {
    let now = Instant::now();
    let mut lanes = Lanes::new(1);
    for seq in 0..40 {
        lanes.add(event(seq, "a"));
    }
    lanes.add(event(40, "b"));
    let first: Vec<i64> = (0..TURN_EVENTS_MAX as i64).collect();
    assert_eq!(lanes.next(now), turn("a", first.clone()));
    assert_eq!(lanes.next(now), None);
    lanes.ended(&StageId::new("a"), &took(&first), now);
    assert_eq!(lanes.next(now), turn("b", [40]));
    lanes.ended(&StageId::new("b"), &took(&[40]), now);
    assert_eq!(lanes.next(now).unwrap().events[0], TURN_EVENTS_MAX as i64);
}

#[test]
fn a_refused_event_holds_its_own_stage_only() {
    let now = Instant::now();
    let mut lanes = lanes(&[(1, "a"), (2, "b"), (3, "a")]);
    lanes.next(now);
    lanes.ended(&StageId::new("a"), &refused(SECOND), now);
    lanes.add(event(4, "a"));
    assert_eq!(lanes.next(now), turn("b", [2]));
    assert_eq!(lanes.next(now), None);
    assert_eq!(lanes.due(), Some(now + SECOND));
    assert_eq!(lanes.next(now + SECOND), turn("a", [1, 3, 4]));
}

#[test]
fn slow_stages_leave_room_for_fast_ones() {
    let now = Instant::now();
    let mut lanes = Lanes::new(LANES);
    let names: Vec<String> = (0..2 * LANES).map(|n| format!("slow{n}")).collect();
    let slow = |done: i64| TurnEnd {
        is_slow: true,
        ..took(&[done])
    };
    for round in 0..2 {
        for (seq, name) in (0..).zip(&names) {
            lanes.add(event(100 * round + seq, name));
        }
        let mut begun = Vec::new();
        while let Some(turn) = lanes.next(now) {
            begun.push(turn);
        }
        if round == 1 {
            // Slow stages have six of eight turns, so a fast stage need not wait for any of them.
            assert_eq!(begun.len(), 6);
            lanes.add(event(1_000, "fast"));
            assert_eq!(lanes.next(now), turn("fast", [1_000]));
            return;
        }
        assert_eq!(begun.len(), LANES, "nobody knows yet");
        while let Some(turn) = begun.pop().or_else(|| lanes.next(now)) {
            lanes.ended(&turn.stage, &slow(turn.events[0]), now);
        }
    }
}

/// `LANES` is more than the number of stages tried while the sink is down.
#[test]
fn a_sink_that_takes_nothing_is_asked_with_few_and_less_and_less_often() {
    let mut now = Instant::now();
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let mut lanes = Lanes::new(LANES);
    for (seq, name) in (0..).zip(&names) {
        lanes.add(event(seq, name));
    }
    let mut asked = Vec::new();
    for _ in 0..6 {
        let mut begun = Vec::new();
        while let Some(turn) = lanes.next(now) {
            begun.push(turn);
        }
        asked.push(begun.len());
        for turn in begun {
            lanes.ended(&turn.stage, &refused(Duration::ZERO), now);
        }
        assert_eq!(lanes.next(now), None);
        let due = lanes.due().unwrap();
        assert!(due > now, "it is left alone for a while");
        now = due;
    }
    assert_eq!(asked[0], LANES);
    assert!(
        asked[1..].iter().all(|count| *count == PROBES_MAX),
        "{asked:?}"
    );
    let probe = lanes.next(now).unwrap();
    lanes.ended(&probe.stage, &took(&probe.events), now);
    let mut begun = 0;
    while lanes.next(now).is_some() {
        begun += 1;
    }
    assert_eq!(begun, LANES, "it is up again");
}

#[test]
fn what_the_receiver_asks_for_is_kept_to() {
    let now = Instant::now();
    let mut lanes = Lanes::new(LANES);
    for (seq, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        lanes.add(event(seq as i64, name));
    }
    let asked = 100 * SECOND;
    for _ in 0..PROBES_MAX {
        let turn = lanes.next(now).unwrap();
        let end = TurnEnd {
            retry_after: Some(asked),
            ..refused(asked)
        };
        lanes.ended(&turn.stage, &end, now);
    }
    assert_eq!(lanes.next(now + 99 * SECOND), None);
    assert_eq!(lanes.due(), Some(now + asked));
    assert!(lanes.next(now + asked).is_some());
}

/// Dead letters that an operator replays are older than the waiting events.
#[test]
fn what_comes_back_has_its_old_place() {
    let now = Instant::now();
    let mut lanes = lanes(&[(5, "a"), (7, "a"), (8, "b")]);
    assert_eq!(lanes.next(now), turn("a", [5, 7]));
    lanes.forget_waiting();
    for (seq, stage) in [(2, "a"), (3, "b"), (5, "a"), (7, "a"), (8, "b")] {
        lanes.add(event(seq, stage));
        lanes.add(event(seq, stage));
    }
    assert_eq!(lanes.next(now), turn("b", [3, 8]));
    assert_eq!(lanes.next(now), None, "a is at its turn");
    lanes.ended(&StageId::new("a"), &took(&[5, 7]), now);
    assert_eq!(lanes.next(now), turn("a", [2]));
    lanes.ended(&StageId::new("a"), &took(&[2]), now);
    lanes.ended(&StageId::new("b"), &took(&[3, 8]), now);
    assert_eq!((lanes.waiting(), lanes.next(now)), (0, None));
    assert!(
        lanes.lanes.is_empty(),
        "nothing is kept of stages that are done"
    );
}
