"""The generator on small models: what it writes for each kind of member, and what it refuses."""

import copy

import pytest

from .model import Model, Unknown, load
from .names import camel, snake, variant
from .rust import Writer
from .samples import Samples

CHOICES = {
    "file": [{"name": "room", "about": "Rooms.", "operations": ["MakeRoom", "ListRooms"]}],
    "names": {"Room": "RoomShape"},
    "members": {},
    "present": {"MakeRoomResponse": ["room"], "Room": ["name"]},
    "absent_is_empty": {"MakeRoomRequest": ["name"]},
    "filled": {"names": []},
    "checked": {},
    "by_hand": {"names": []},
    "types": {},
    "order": {},
    "page": {"size": 50},
    "maps": {"Tags": "tags"},
    "text": {},
    "about": {},
}
TEXT = {"type": "string", "min": 0, "max": 128, "pattern": "[a-zA-Z0-9-_]*"}
MODEL = {
    "operations": {
        "MakeRoom": {
            "http": {"method": "POST", "requestUri": "/MakeRoom"},
            "input": {"shape": "MakeRoomRequest"},
            "output": {"shape": "MakeRoomResponse"},
        },
        "ListRooms": {
            "http": {"method": "POST", "requestUri": "/ListRooms"},
            "input": {"shape": "ListRoomsRequest"},
            "output": {"shape": "ListRoomsResponse"},
        },
    },
    "shapes": {
        "MakeRoomRequest": {
            "type": "structure",
            "required": ["ownerArn", "kind"],
            "members": {
                "ownerArn": {"shape": "OwnerArn"},
                "kind": {"shape": "Kind"},
                "name": {"shape": "Name"},
                "seats": {"shape": "Seats"},
                "doors": {"shape": "Doors"},
                "tags": {"shape": "Tags"},
            },
        },
        "MakeRoomResponse": {"type": "structure", "members": {"room": {"shape": "Room"}}},
        "ListRoomsRequest": {
            "type": "structure",
            "members": {
                "filterByKind": {"shape": "Kind"},
                "nextToken": {"shape": "PaginationToken"},
                "maxResults": {"shape": "MaxRooms"},
            },
        },
        "ListRoomsResponse": {
            "type": "structure",
            "required": ["rooms"],
            "members": {"rooms": {"shape": "Rooms"}, "nextToken": {"shape": "PaginationToken"}},
        },
        "Room": {
            "type": "structure",
            "required": ["arn"],
            "members": {
                "arn": {"shape": "OwnerArn"},
                "name": {"shape": "Name"},
                "key": {"shape": "Key"},
                "builtAt": {"shape": "Time"},
                "header": {"shape": "Name", "location": "header"},
            },
        },
        "Rooms": {"type": "list", "member": {"shape": "Room"}},
        "Door": {"type": "structure", "members": {"width": {"shape": "Width"}}},
        "Doors": {"type": "list", "member": {"shape": "Door"}, "min": 1, "max": 4},
        "Kind": {"type": "string", "enum": ["SMALL", "VERY_LARGE"]},
        "Key": {"type": "string", "sensitive": True},
        "MaxRooms": {"type": "integer", "min": 1, "max": 100},
        "Name": TEXT,
        "OwnerArn": {
            "type": "string",
            "min": 1,
            "max": 128,
            "pattern": "arn:aws:ivs:[a-z0-9-]+:[0-9]+:owner/[a-zA-Z0-9-]+",
        },
        "PaginationToken": {"type": "string", "min": 0, "max": 1024, "pattern": "[a-zA-Z0-9+/=_-]*"},
        "Seats": {"type": "integer", "min": 0},
        "TagKey": {"type": "string", "min": 1, "max": 128},
        "Tags": {"type": "map", "key": {"shape": "TagKey"}, "value": {"shape": "Name"}, "min": 0, "max": 50},
        "Time": {"type": "timestamp"},
        "Width": {"type": "float", "min": 1, "max": 60},
    },
}


def model(change=None):
    """The small model, changed."""
    made, choices = copy.deepcopy(MODEL), copy.deepcopy(CHOICES)
    if change:
        change(made, choices)
    return Model(made, choices)


def room(change=None):
    """What is generated for it, without the white space that rustfmt decides about."""
    return Writer(model(change)).files()["generated/room.rs"]


@pytest.mark.parametrize(
    "line",
    [
        'owner_arn: members.required_text("ownerArn", &OWNER_ARN)?,',
        'kind: members.required("kind", members.word("kind")?)?,',
        'name: members.text("name", &NAME)?.unwrap_or_default(),',
        'seats: members.number("seats", SEATS)?,',
        'doors: members.shapes("doors", DOORS)?,',
        'tags: members.tags("tags", &TAGS)?,',
        'width: members.decimal("width", WIDTH)?,',
        "next_token: members.page_token(&PAGINATION_TOKEN)?,",
        "max_results: members.max_results(50, MAX_ROOMS)?,",
    ],
)
def test_each_kind_of_member_is_read_by_its_rule(line):
    assert line in room()


@pytest.mark.parametrize(
    "line",
    [
        "pub owner_arn: String,",
        "pub kind: Kind,",
        "pub name: String,",
        "pub seats: Option<u32>,",
        "pub doors: Option<Vec<Door>>,",
        "pub tags: Option<StringMap>,",
        "pub max_results: u32,",
        "/// `ownerArn`: the ARN of an owner, 1–128 characters.",
        "/// `seats`: 0–2,147,483,647.",
        "/// `doors`: 1–4 entries.",
    ],
)
def test_what_is_optional_is_an_option_and_each_field_says_its_rule(line):
    assert line in room()


@pytest.mark.parametrize(
    "line",
    [
        'pub(crate) const OWNER_ARN: Text = Text::new(1, 128, Pattern::Arn("owner"));',
        "pub(crate) const SEATS: Range = Range::new(0, 2_147_483_647);",
        "pub(crate) const WIDTH: Decimals = Decimals::new(1.0, 60.0);",
        "pub(crate) const DOORS: Count = Count::new(1, 4);",
        "pub(crate) const TAGS: Entries = Entries { count: Count::new(0, 50), key: TAG_KEY, value: NAME };",
    ],
)
def test_each_rule_is_a_constant(line):
    writer = Writer(model())
    assert line in writer.files()["generated/constraint.rs"]


def test_a_bound_that_changes_changes_what_is_written():
    def change(made, _):
        made["shapes"]["Doors"]["max"] = 5

    assert "Count::new(1, 5)" in Writer(model(change)).files()["generated/constraint.rs"]


def test_answers_hold_what_is_required_or_said_to_be_always_there():
    text = room()
    shape = text[text.index("pub struct RoomShape") :]
    assert "pub arn: String," in shape and "pub name: String," in shape
    assert "pub built_at: Option<Timestamp>," in shape
    assert "header" not in shape


def test_secrets_are_not_shown():
    text = room()
    debug = text[text.index("impl std::fmt::Debug for RoomShape") :]
    assert '.field("arn", &self.arn)' in debug and '"key"' not in debug[: debug.index("finish_non_exhaustive")]


def test_a_page_token_is_bound_to_the_members_that_choose_rows():
    assert 'self.filter_by_kind.as_ref().map(|given| ("filterByKind", given.as_str()))' in room()


def test_operations_know_their_routes():
    table = Writer(model()).files()["operation/table.rs"]
    assert 'Self::MakeRoom => ("POST", "/MakeRoom"),' in table


def test_answers_are_tested_with_all_members_and_with_the_fewest():
    text = Samples(Writer(model())).text()
    full = 'r#"{"room": {"arn": "OwnerArn", "name": "Name", "key": "Key", "builtAt": "2026-10-02T09:15:04Z"}}"#'
    assert full in text
    assert 'r#"{"room": {"arn": "OwnerArn", "name": "Name"}}"#' in text


def unbounded_list(made, _):
    del made["shapes"]["Doors"]["max"]


def unbounded_text(made, _):
    del made["shapes"]["Name"]["max"]


def unknown_pattern(made, _):
    made["shapes"]["Name"]["pattern"] = "[a-z]+@[a-z]+"


def unknown_map(_, choices):
    choices["maps"] = {}


def unplaced_operation(_, choices):
    choices["file"][0]["operations"].pop()


def unknown_member(_, choices):
    choices["present"]["Room"].append("windows")


def unknown_shape(_, choices):
    choices["names"]["House"] = "HouseShape"


@pytest.mark.parametrize(
    "change",
    [unbounded_list, unbounded_text, unknown_pattern, unknown_map, unplaced_operation, unknown_member, unknown_shape],
)
def test_what_cannot_be_placed_stops_the_generator(change):
    with pytest.raises(Unknown):
        Writer(model(change)).files()


def test_names():
    assert snake("recordingS3BucketName") == "recording_s3_bucket_name"
    assert camel("recording_s3_bucket_name") == "recordingS3BucketName"
    assert snake("CreateStage") == "create_stage"
    assert variant("B_FRAME_PRESENT") == "BFramePresent"


def test_no_prose_of_the_model_is_copied():
    made, choices = load()
    prose = {
        shape["documentation"]
        for shape in made["shapes"].values()
        if len(shape.get("documentation", "")) > len("<p>a few words</p>")
    }
    text = "".join(Writer(Model(made, choices)).files().values())
    assert prose and not [said for said in prose if said.removeprefix("<p>").removesuffix("</p>") in text]
