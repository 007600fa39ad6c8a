//! Which pictures there are.

use restage_compose::layout::{
    AspectRatio, FillMode, Grid, Layout, Person, Pip, PipBehavior, PipPosition, Video,
};

const NAMES: [&str; 12] = [
    "Ann", "Boris", "Chloé", "Dina", "Emre", "Fatou", "Grace", "Hugo", "Inês", "Jan", "Kavya",
    "Łukasz",
];

/// A picture of the documents.
pub(crate) struct Sheet {
    /// Of the file, without its ending.
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) persons: Vec<Person>,
    /// Sizes of what each of them sends.
    pub(crate) sizes: Vec<(usize, usize)>,
}

/// All of them, in the order of the documents.
pub(crate) fn all() -> Vec<Sheet> {
    let mut sheets = grids();
    sheets.extend(featured());
    sheets.extend(pips());
    sheets
}

/// Cards of which names can be read: participants in small tiles send small pictures, as simulcast has them.
fn sheet(name: &'static str, layout: Layout, count: usize) -> Sheet {
    let person = |(input, name): (usize, &&str)| Person {
        input: input as u32,
        name: (*name).to_owned(),
        arrived: input as u64,
        ..Person::default()
    };
    let size = match count {
        1 => (480, 270),
        2..=4 => (320, 180),
        5..=9 => (160, 90),
        _ => (120, 66),
    };
    Sheet {
        name,
        layout,
        persons: NAMES.iter().enumerate().take(count).map(person).collect(),
        sizes: vec![size; count],
    }
}

impl Sheet {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn grid(change: impl FnOnce(&mut Grid)) -> Layout {
    let mut grid = Grid::default();
    change(&mut grid);
    Layout::Grid(grid)
}

fn pip(change: impl FnOnce(&mut Pip)) -> Layout {
    let mut pip = Pip::default();
    change(&mut pip);
    Layout::Pip(pip)
}

/// Four shapes: lying, 4:3, standing, square.
fn shapes(sheet: &mut Sheet) {
    sheet.sizes = vec![(320, 180), (240, 180), (180, 320), (180, 180)];
}

fn grids() -> Vec<Sheet> {
    let plain = || grid(|grid| grid.grid_gap = 4);
    let shape = |shape| {
        grid(|grid| {
            grid.video_aspect_ratio = shape;
            grid.grid_gap = 4;
        })
    };
    let fill = |mode| {
        grid(|grid| {
            grid.video_fill_mode = mode;
            grid.grid_gap = 4;
        })
    };
    vec![
        sheet("grid-1", plain(), 1),
        sheet("grid-2", plain(), 2),
        sheet("grid-3", plain(), 3),
        sheet("grid-4", plain(), 4),
        sheet("grid-5", plain(), 5),
        sheet("grid-6", plain(), 6),
        sheet("grid-9", plain(), 9),
        sheet("grid-12", plain(), 12),
        sheet("grid-gap", grid(|grid| grid.grid_gap = 24), 4),
        sheet("grid-square", shape(AspectRatio::Square), 3),
        sheet("grid-portrait", shape(AspectRatio::Portrait), 3),
        sheet("fill-cover", fill(FillMode::Cover), 4).with(shapes),
        sheet("fill-contain", fill(FillMode::Contain), 4).with(shapes),
        sheet("fill-fill", fill(FillMode::Fill), 4).with(shapes),
        sheet("placeholder", plain(), 4).with(without_pictures),
        sheet(
            "omit-stopped-video",
            grid(|grid| {
                grid.omit_stopped_video = true;
                grid.grid_gap = 4;
            }),
            4,
        )
        .with(without_pictures),
    ]
}

/// One has stopped its camera, and one sends what cannot be decoded.
fn without_pictures(sheet: &mut Sheet) {
    sheet.persons[1].video = Video::Stopped;
    sheet.persons[2].why_no_picture = Some("AV1 cannot be shown".to_owned());
}

fn featured() -> Vec<Sheet> {
    let plain = || grid(|grid| grid.grid_gap = 4);
    // The first of them.
    let feature = |size| {
        move |sheet: &mut Sheet| {
            sheet.persons[0].is_featured = true;
            sheet.sizes = vec![size; sheet.persons.len()];
            sheet.sizes[0] = (320, 180);
        }
    };
    vec![
        sheet("featured-3", plain(), 3).with(feature((120, 66))),
        sheet("featured-9", plain(), 9).with(feature((80, 44))),
    ]
}

fn pips() -> Vec<Sheet> {
    // The first of them is over the others.
    let over = |sheet: &mut Sheet| {
        sheet.persons[0].is_pip = true;
        sheet.sizes = match sheet.persons.len() {
            1 | 2 => vec![(480, 270); 2],
            count => vec![(320, 180); count],
        };
        sheet.sizes[0] = (160, 90);
    };
    let fills = |sheet: &mut Sheet| sheet.sizes[0] = (480, 270);
    let at = |position, offset| {
        pip(|pip| {
            pip.pip_position = position;
            pip.pip_offset = offset;
        })
    };
    let sized = pip(|pip| {
        pip.pip_position = PipPosition::TopRight;
        pip.pip_offset = 20;
        pip.pip_width = Some(120);
        pip.pip_height = Some(120);
    });
    let dynamic = pip(|pip| pip.pip_behavior = PipBehavior::Dynamic);
    vec![
        sheet("pip-bottom-right", at(PipPosition::BottomRight, 0), 2).with(over),
        sheet("pip-bottom-left", at(PipPosition::BottomLeft, 12), 2).with(over),
        sheet("pip-top-left", at(PipPosition::TopLeft, 24), 2).with(over),
        sheet("pip-top-right", sized, 4).with(over),
        sheet("pip-static", at(PipPosition::BottomRight, 0), 1).with(over),
        sheet("pip-dynamic", dynamic, 1).with(over).with(fills),
    ]
}
