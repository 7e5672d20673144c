//! Fences of a territory as GeoJSON text (RFC 7946).

use domain::region::{Datum, POLYGON_VERTICES_MAX, Polygon};
use geojson::{
    Feature, FeatureCollection, GeoJson, Geometry, GeometryValue, PolygonType, Position,
};

/// Most polygons of one text.
const FENCES_MAX: usize = 64;

/// Reads every polygon of a GeoJSON text: a geometry, a feature (its `name` property names the
/// fences) or a collection of either, in WGS-84 as the standard says.
///
/// # Errors
/// A sentence: no GeoJSON, a geometry that is no area, or a ring that is not sound.
pub fn fences(text: &str) -> Result<Vec<Polygon>, String> {
    let json: GeoJson = text.parse().map_err(|error| {
        let error: String = format!("{error}").chars().take(100).collect();
        format!("is no GeoJSON: {error}")
    })?;
    let mut found = Vec::new();
    match &json {
        GeoJson::Geometry(geometry) => gather("", geometry, &mut found)?,
        GeoJson::Feature(feature) => gather_feature(feature, &mut found)?,
        GeoJson::FeatureCollection(FeatureCollection { features, .. }) => {
            features.iter().try_for_each(|feature| gather_feature(feature, &mut found))?;
        }
    }
    if found.is_empty() || found.len() > FENCES_MAX {
        return Err(format!("must have 1 to {FENCES_MAX} polygons"));
    }
    // Looking for crossing edges takes the square of the corners, so all are counted before any.
    let corners: usize = found.iter().flat_map(|(_, rings)| rings.iter()).map(Vec::len).sum();
    if corners > POLYGON_VERTICES_MAX {
        return Err(format!("must have at most {POLYGON_VERTICES_MAX} positions together"));
    }
    found.into_iter().map(|(name, rings)| fence(name, rings)).collect()
}

/// Fences found, each with its name.
type Found<'a> = Vec<(&'a str, &'a PolygonType)>;

fn gather_feature<'a>(feature: &'a Feature, found: &mut Found<'a>) -> Result<(), String> {
    let name = feature.property("name").and_then(|name| name.as_str()).unwrap_or_default();
    match &feature.geometry {
        Some(geometry) => gather(name, geometry, found),
        None => Ok(()),
    }
}

fn gather<'a>(name: &'a str, geometry: &'a Geometry, found: &mut Found<'a>) -> Result<(), String> {
    match &geometry.value {
        GeometryValue::Polygon { coordinates } => found.push((name, coordinates)),
        GeometryValue::MultiPolygon { coordinates } => {
            found.extend(coordinates.iter().map(|polygon| (name, polygon)));
        }
        GeometryValue::GeometryCollection { geometries } => {
            geometries.iter().try_for_each(|inner| gather(name, inner, found))?;
        }
        _ => return Err("must be made of Polygon or MultiPolygon: only an area is a fence".into()),
    }
    Ok(())
}

fn fence(name: &str, rings: &PolygonType) -> Result<Polygon, String> {
    let name: String =
        name.chars().filter(|c| !c.is_control()).take(domain::text::NAME_CHARS_MAX).collect();
    let corner = |position: &Position| match position.as_slice() {
        [lon, lat, ..] => Some((*lon, *lat)),
        _ => None,
    };
    let ring = |ring: &Vec<Position>| ring.iter().map(corner).collect::<Option<Vec<_>>>();
    let rings: Option<Vec<_>> = rings.iter().map(ring).collect();
    let rings = rings.ok_or("has a position that is no longitude and latitude")?;
    Polygon::new(&name, &rings, Datum::Wgs84).map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "[[[102,24],[103,24],[103,25],[102,25],[102,24]]]";

    #[test]
    fn areas_in_every_wrapping() {
        let polygon = format!(r#"{{"type":"Polygon","coordinates":{SQUARE}}}"#);
        assert_eq!(fences(&polygon).unwrap().len(), 1);
        let multi = format!(r#"{{"type":"MultiPolygon","coordinates":[{SQUARE},{SQUARE}]}}"#);
        assert_eq!(fences(&multi).unwrap().len(), 2);
        let feature =
            format!(r#"{{"type":"Feature","properties":{{"name":"昆明"}},"geometry":{polygon}}}"#);
        assert_eq!(fences(&feature).unwrap()[0].name(), "昆明");
        let all = format!(r#"{{"type":"FeatureCollection","features":[{feature},{feature}]}}"#);
        assert_eq!(fences(&all).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_fence() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"type":"Point","coordinates":[1,2]}"#,
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":[[[1,2],[3]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}"#,
            r#"{"type":"FeatureCollection","features":[]}"#,
        ] {
            assert!(fences(bad).is_err(), "{bad}");
        }
    }
}
