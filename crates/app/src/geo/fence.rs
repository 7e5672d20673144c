//! Reads an operator's GeoJSON into fences: polygons and multi-polygons of any document, named by
//! the property `name` (else the id, else the place in the file). The property `datum` says
//! `gcj02` where the coordinates are of a Chinese map; without it they are WGS-84, as RFC 7946
//! wants.

use domain::region::{Datum, POLYGON_VERTICES_MAX, Polygon};
use geojson::{Feature, GeoJson, Geometry, GeometryValue};
use serde_json::{Value, json};
use std::sync::Arc;

use super::GeoError;

/// Most fences of one document.
pub const FENCES_MAX: usize = 64;

/// Every polygon of a document.
///
/// # Errors
/// [`GeoError::Format`] when it is no GeoJSON, has none or too many polygons, or one is unsound.
pub fn read_fences(text: &str) -> Result<Vec<Polygon>, GeoError> {
    let document: GeoJson =
        text.parse().map_err(|error| GeoError::Format(format!("GeoJSON: {error}")))?;
    let mut fences = Vec::new();
    match document {
        GeoJson::Geometry(geometry) => take(&geometry, "1", Datum::Wgs84, &mut fences)?,
        GeoJson::Feature(feature) => take_feature(&feature, 1, &mut fences)?,
        GeoJson::FeatureCollection(collection) => {
            for (at, feature) in (1usize..).zip(&collection.features) {
                take_feature(feature, at, &mut fences)?;
            }
        }
    }
    if fences.is_empty() || fences.len() > FENCES_MAX {
        return Err(GeoError::Format(format!("GeoJSON: 1 to {FENCES_MAX} polygons are wanted")));
    }
    Ok(fences)
}

/// The document that [`read_fences`] reads as these fences.
pub fn write_fences(fences: &[Arc<Polygon>]) -> Value {
    let feature = |fence: &Arc<Polygon>| {
        json!({
            "type": "Feature",
            "properties": {"name": fence.name()},
            "geometry": {"type": "Polygon", "coordinates": fence.rings()},
        })
    };
    let features: Vec<_> = fences.iter().map(feature).collect();
    json!({"type": "FeatureCollection", "features": features})
}

fn take_feature(feature: &Feature, at: usize, out: &mut Vec<Polygon>) -> Result<(), GeoError> {
    let text = |key: &str| feature.property(key).and_then(|v| v.as_str());
    let datum = match text("datum").map(str::to_ascii_lowercase).as_deref() {
        None | Some("wgs84") => Datum::Wgs84,
        Some("gcj02") => Datum::Gcj02,
        Some(other) => {
            return Err(GeoError::Format(format!("feature {at}: datum `{other}` is not known")));
        }
    };
    let name = text("name").map_or_else(|| at.to_string(), str::to_owned);
    match &feature.geometry {
        Some(geometry) => take(geometry, &name, datum, out),
        None => Ok(()),
    }
}

fn take(
    geometry: &Geometry,
    name: &str,
    datum: Datum,
    out: &mut Vec<Polygon>,
) -> Result<(), GeoError> {
    let polygons = match &geometry.value {
        GeometryValue::Polygon { coordinates } => std::slice::from_ref(coordinates),
        GeometryValue::MultiPolygon { coordinates } => coordinates.as_slice(),
        _ => return Err(GeoError::Format(format!("fence {name}: only polygons make a fence"))),
    };
    for polygon in polygons {
        let rings: Vec<Vec<(f64, f64)>> = polygon
            .iter()
            .map(|ring| {
                ring.iter()
                    .map(|p| {
                        let p = p.as_slice();
                        (
                            p.first().copied().unwrap_or(f64::NAN),
                            p.get(1).copied().unwrap_or(f64::NAN),
                        )
                    })
                    .collect()
            })
            .collect();
        let fence = Polygon::new(name, &rings, datum)
            .map_err(|error| GeoError::Format(format!("fence {name}: {error}")))?;
        out.push(fence);
        // Looking for crossing edges takes the square of the corners, so they are bounded together.
        let corners: usize = out.iter().map(|f| f.vertices().count()).sum();
        if corners > POLYGON_VERTICES_MAX {
            let reason = format!("more than {POLYGON_VERTICES_MAX} corners together");
            return Err(GeoError::Format(reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RING: &str = "[[[102.6,24.9],[102.8,24.9],[102.8,25.2],[102.6,24.9]]]";

    #[test]
    fn polygons_are_read_with_name_and_datum() {
        let feature = |extra: &str| {
            format!(
                r#"{{"type":"FeatureCollection","features":[{{"type":"Feature",
                "properties":{{{extra}}},"geometry":{{"type":"Polygon","coordinates":{RING}}}}}]}}"#
            )
        };
        let plain = read_fences(&feature(r#""name":"depot""#)).expect("sound");
        assert_eq!(plain[0].name(), "depot");
        let moved = read_fences(&feature(r#""datum":"GCJ02""#)).expect("sound");
        assert_ne!(moved[0].vertices().next(), plain[0].vertices().next());
        assert!(read_fences(&feature(r#""datum":"bd09""#)).is_err());
    }

    proptest! {
        #[test]
        fn fences_written_are_read_back(
            corner in (-170.0..170.0_f64, -80.0..80.0_f64),
            size in (0.001..5.0_f64, 0.001..5.0_f64),
            name in "[a-z\"<&\u{4e00}-\u{4e20} ]{1,12}", gcj in any::<bool>(),
        ) {
            let ((x, y), (w, h)) = (corner, size);
            let ring = vec![(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)];
            let (x, y, w, h) = (x + w / 4.0, y + h / 4.0, w / 4.0, h / 4.0);
            let hole = vec![(x, y), (x + w, y), (x, y + h), (x, y)];
            let datum = if gcj { Datum::Gcj02 } else { Datum::Wgs84 };
            let fence = Polygon::new(&name, &[ring, hole], datum).expect("sound");
            let text = write_fences(&[Arc::new(fence.clone())]).to_string();
            prop_assert_eq!(read_fences(&text).expect("it is read"), vec![fence]);
        }
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"type":"Point","coordinates":[1,2]}"#,
            r#"{"type":"FeatureCollection","features":[]}"#,
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}"#,
        ] {
            assert!(read_fences(text).is_err(), "{text}");
        }
    }
}
