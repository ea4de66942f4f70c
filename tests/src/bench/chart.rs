//! Figures as horizontal bars, in SVG: the median, and a line from quartile to quartile.

use plotters::prelude::*;

use crate::bench::figures::Quartiles;

const WIDTH: u32 = 760;
/// Of a bar with the room around it, in pixels.
const BAR: u32 = 34;
const LEFT: u32 = 190;
const RIGHT: u32 = 150;
const TOP: u32 = 54;
const BOTTOM: u32 = 14;

/// Our own bars.
const OURS: RGBColor = RGBColor(0x2f, 0x6f, 0xb3);
/// All others.
const OTHERS: RGBColor = RGBColor(0x9a, 0xa3, 0xad);
const INK: RGBColor = RGBColor(0x22, 0x28, 0x2e);

/// The chart of named figures.
///
/// # Errors
/// What cannot be drawn.
pub fn bars(title: &str, rows: &[(String, Quartiles)]) -> Result<String, String> {
    let rows: Vec<_> = rows.iter().filter(|(_, q)| q.median.is_finite()).collect();
    let height = TOP + BOTTOM + BAR * u32::try_from(rows.len()).unwrap_or(0);
    let longest = rows.iter().map(|(_, q)| q.q3).fold(f64::MIN_POSITIVE, f64::max);
    let place = |value: f64| {
        let room = f64::from(WIDTH - LEFT - RIGHT);
        LEFT as i32 + (value.max(0.0) / longest * room) as i32
    };
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, (WIDTH, height)).into_drawing_area();
        let drawn = (|| {
            area.fill(&WHITE)?;
            let large = ("sans-serif", 15).into_font().color(&INK);
            let small = ("sans-serif", 13).into_font().color(&INK);
            for (line, text) in folded(title).iter().enumerate() {
                area.draw_text(text, &large, (12, 10 + 18 * line as i32))?;
            }
            for (at, (name, q)) in rows.iter().enumerate() {
                let top = (TOP + BAR * at as u32) as i32;
                let color = if name.starts_with("ours") { OURS } else { OTHERS };
                let bar = [(LEFT as i32, top + 6), (place(q.median), top + BAR as i32 - 8)];
                area.draw(&Rectangle::new(bar, color.filled()))?;
                let middle = top + BAR as i32 / 2 - 1;
                let spread = vec![(place(q.q1), middle), (place(q.q3), middle)];
                area.draw(&PathElement::new(spread, INK.stroke_width(2)))?;
                area.draw_text(name, &small, (12, top + 9))?;
                let figure = format!("{:.1} [{:.1} – {:.1}]", q.median, q.q1, q.q3);
                area.draw_text(&figure, &small, (place(q.q3) + 8, top + 9))?;
            }
            area.present()
        })();
        drawn.map_err(|e: DrawingAreaErrorKind<_>| format!("the chart `{title}`: {e}"))?;
    }
    Ok(out)
}

/// In lines that fit.
fn folded(title: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() && line.len() + word.len() > 95 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let q = |median: f64| Quartiles { q1: median, median, q3: median };
        let rows = [
            ("bare".to_owned(), q(50.0)),
            ("ours <1>".to_owned(), q(100.0)),
            ("unknown".to_owned(), q(f64::NAN)),
        ];
        let svg = bars("What a request costs", &rows).unwrap();
        let widths: Vec<u32> = svg
            .lines()
            .filter(|line| line.starts_with("<rect") && !line.contains("#FFFFFF"))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap())
            .map(|digits| digits.parse().unwrap())
            .collect();
        assert_eq!(widths, [(WIDTH - LEFT - RIGHT) / 2, WIDTH - LEFT - RIGHT]);
        assert!(svg.contains("ours &lt;1&gt;") && !svg.contains("unknown"), "{svg}");
        assert!(bars("nothing", &[]).is_ok());
    }
}
