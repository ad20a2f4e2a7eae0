//! A number over time, drawn on the server as SVG. It has no inline style, because the page's policy forbids it.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::part;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 110.0;
/// Space for the line's width and for the labels.
const TOP: f64 = 14.0;
const BOTTOM: f64 = 18.0;
const SIDE: f64 = 6.0;
/// More points than pixels would not be visible.
const MOST: usize = 160;

/// An instant and a number.
pub(super) type Point = (i64, u64);

/// A chart of one number, with its newest value and the change.
pub(super) fn chart(id: &str, title: &str, now: Option<u64>, points: &[Point]) -> Markup {
    let newest = now.or(points.last().map(|point| point.1));
    let change = points
        .first()
        .zip(newest)
        .map(|(first, newest)| (newest.cast_signed() - first.1.cast_signed(), first.0));
    html! {
        figure.stat aria-labelledby=(id) {
            figcaption {
                span.name id=(id) { (title) }
                span.value { @match newest { Some(value) => (part::number(value)), None => "–" } }
                @if let Some((change, since)) = change.filter(|_| points.len() > 1) {
                    span.change { (signed(change)) " since " (part::instant(since)) }
                }
            }
            @if points.len() > 1 { (drawing(title, points)) } @else { p.quiet.fine { "Chart starts after the next update." } }
        }
    }
}

fn signed(change: i64) -> String {
    let size = part::number(change.unsigned_abs());
    match change {
        0 => "unchanged".to_owned(),
        1.. => format!("+{size}"),
        _ => format!("−{size}"),
    }
}

/// Thins points out evenly; first and last stay.
fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    let step = |index: usize| index * (points.len() - 1) / (MOST - 1);
    (0..MOST).filter_map(|index| points.get(step(index)).copied()).collect()
}

fn drawing(title: &str, points: &[Point]) -> Markup {
    let points = thinned(points);
    let (low, high) =
        points.iter().fold((u64::MAX, 0), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let (begin, end) = (points.first().map_or(0, |point| point.0), points.last().map_or(0, |point| point.0));
    // At least a twentieth of the number fills the height: a change from 57 to 58 is a small one.
    let scale = (20.0 * ratio(high - low, high)).min(1.0);
    let place = |&(at, value): &Point| {
        let along = ratio(at.abs_diff(begin), end.abs_diff(begin));
        // A constant line is drawn in the middle.
        let up = if high == low { 0.5 } else { 0.5 + (ratio(value - low, high - low) - 0.5) * scale };
        (SIDE + along * (WIDTH - 2.0 * SIDE), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    };
    let mut line = String::new();
    for point in &points {
        let (x, y) = place(point);
        let _ = write!(line, "{}{x:.1} {y:.1}", if line.is_empty() { "M" } else { "L" });
    }
    let floor = HEIGHT - BOTTOM;
    let area = format!("{line}L{:.1} {floor}L{SIDE} {floor}Z", WIDTH - SIDE);
    let (x, y) = points.last().map_or((0.0, 0.0), place);
    let label = format!(
        "{title}: from {} on {} to {} on {}",
        points.first().map_or(0, |point| point.1),
        part::instant_text(begin).1,
        points.last().map_or(0, |point| point.1),
        part::instant_text(end).1,
    );
    html! {
        svg.chart viewBox={"0 0 " (WIDTH) " " (HEIGHT)} role="img" aria-label=(label) {
            title { (label) }
            path.area d=(area) {}
            path.line d=(line) vector-effect="non-scaling-stroke" {}
            circle.dot cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {}
        }
        p.axis aria-hidden="true" { span { (part::day(begin)) } span { (part::short_number(low)) "–" (part::short_number(high)) } span { (part::day(end)) } }
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_stays_inside_its_frame_and_says_what_it_shows() {
        let points: Vec<Point> = (0..1000i64).map(|n| (n * 3600, n.unsigned_abs() % 97)).collect();
        let shown = chart("c", "Followers", Some(12), &points).into_string();
        assert!(shown.contains("Followers: from 0 on 1970-01-01 00:00 UTC"), "{shown}");
        assert!(!shown.contains("style="), "the page's policy forbids it");
        let path = shown.split("class=\"line\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let numbers: Vec<f64> = path.split(['M', 'L', ' ']).filter_map(|part| part.parse().ok()).collect();
        assert_eq!(numbers.len(), 2 * MOST);
        assert!(
            numbers.chunks(2).all(|at| (0.0..=WIDTH).contains(&at[0]) && (0.0..=HEIGHT).contains(&at[1]))
        );
    }

    #[test]
    fn a_number_that_does_not_move_or_is_not_known_is_drawn_too() {
        assert!(chart("c", "Likes", None, &[(0, 5), (10, 5)]).into_string().contains("unchanged"));
        assert!(chart("c", "Likes", None, &[]).into_string().contains('–'));
        assert!(!chart("c", "Likes", Some(3), &[(0, 3)]).into_string().contains("<svg"));
    }
}
