//! Plain resources of every kind: create, limit, delete, each kind by itself.

use restage_core::id::{ArnId as _, Time};
use restage_core::row::{PlainId, PlainKind, PlainLimits, PlainRow};
use restage_core::{Arn, Limits};

use crate::support::{ACCOUNT, REGION, Scene, create, delete, plain_row as row};

fn arn(row: &PlainRow) -> Arn<PlainId> {
    Arn {
        region: row.region().to_owned(),
        account: row.account().to_owned(),
        id: row.id(),
    }
}

#[test]
fn a_resource_is_kept_as_it_came_with_the_time_of_the_decision() {
    for kind in PlainKind::ALL {
        let mut scene = Scene::new(&[]);
        let given = row(*kind, "one");
        scene
            .run(&create(given.clone()))
            .gives(&[&format!("{} one", kind.name())]);
        assert_ne!(scene.now, Time::default());
        let kept = &scene.world.plain[&given.id()];
        assert_eq!(*kept, given.created(scene.now));
        assert_eq!((kept.account(), kept.region()), (ACCOUNT, REGION));
    }
}

#[test]
fn each_kind_has_a_limit_of_its_own() {
    for kind in PlainKind::ALL {
        let mut scene = Scene::new(&[]);
        scene.limits = Limits {
            plain: PlainLimits {
                public_keys: 2,
                encoder_configurations: 2,
                storage_configurations: 2,
                ingest_configurations: 2,
            },
            ..Limits::AWS
        };
        // Resources of other kinds do not count.
        for kind in PlainKind::ALL {
            for id in ["one", "two"] {
                scene.run(&create(row(*kind, id))).ok();
            }
        }
        let field = kind.limit(&scene.limits.plain).1.replace('_', "-");
        let refusal = format!(
            "LimitExceeded: {} per account and Region: the limit of 2 is reached (setting limit-{field})",
            kind.title()
        );
        scene.run(&create(row(*kind, "three"))).refused(&refusal);
        scene.run(&delete(arn(&row(*kind, "one")))).gives(&[]);
        scene.run(&create(row(*kind, "three"))).ok();
        // The count of the store is used where the rows are not loaded.
        scene.run(&delete(arn(&row(*kind, "two")))).ok();
        scene.world.plain_counts.insert(*kind, 2);
        scene.run(&create(row(*kind, "four"))).refused(&refusal);
    }
}

#[test]
fn what_is_not_there_or_anothers_is_not_deleted() {
    for kind in PlainKind::ALL {
        let mut scene = Scene::new(&[]);
        let there = row(*kind, "one");
        scene.run(&create(there.clone())).ok();
        let (word, name) = (there.id().kind(), kind.name());
        scene
            .run_as("999988887777", &delete(arn(&there)))
            .refused(&format!(
                "Denied: arn: arn:aws:ivs:{REGION}:{ACCOUNT}:{word}/one belongs to another account"
            ));
        scene
            .run_as("999988887777", &create(row(*kind, "two")))
            .refused(&format!(
                "Denied: arn:aws:ivs:{REGION}:{ACCOUNT}:{word}/two would belong to another account"
            ));
        let elsewhere = Arn {
            region: "us-east-1".to_owned(),
            ..arn(&there)
        };
        scene.run(&delete(elsewhere)).refused(&format!(
            "NotFound: arn: there is no {name} arn:aws:ivs:us-east-1:{ACCOUNT}:{word}/one"
        ));
        scene
            .run(&delete(arn(&row(*kind, "two"))))
            .refused(&format!(
                "NotFound: arn: there is no {name} arn:aws:ivs:{REGION}:{ACCOUNT}:{word}/two"
            ));
        scene.run(&delete(arn(&there))).ok();
        assert!(scene.world.plain.is_empty());
    }
}

#[test]
fn the_service_has_these_limits() {
    let limits = PlainKind::ALL.iter().map(|kind| {
        (
            kind.limit(&PlainLimits::AWS).0,
            kind.limit(&PlainLimits::OPEN).0,
        )
    });
    assert_eq!(
        limits.collect::<Vec<_>>(),
        [(3, 100), (20, 1_000), (5, 1_000), (100, 1_000)]
    );
}
