// SPDX-License-Identifier: Apache-2.0

/// What a plot shows, whatever its size.
struct Plot {
    struct Point {
        var x: Double
        /// Nil where nothing is known: the line has a gap there.
        var y: Double?
    }

    struct Series {
        var name: String
        /// Colour and dashes: 0 to ``PageStyle/lineStyles`` - 1.
        var style: Int
        var points: [Point]
        /// Whether the space below it is tinted.
        var isFilled = false
    }

    struct Axis {
        var name: String
        var unit: String
        var scale: PlotScale

        var label: String {
            let notes = [self.unit, self.scale.note].compactMap { $0 }.filter { !$0.isEmpty }
            return notes.isEmpty ? self.name : "\(self.name) (\(notes.joined(separator: ", ")))"
        }
    }

    /// A part of the x axis that is tinted.
    struct Band {
        var from: Double
        var to: Double
        var label: String
    }

    /// A moment on the x axis.
    struct Marker {
        var x: Double
        var label: String
    }

    /// What is shown while the pointer is over a part of the x axis.
    struct Hint {
        var from: Double
        var to: Double
        var text: String
    }

    struct Table {
        var head: [String]
        var rows: [[String]]
    }

    /// Unique on its page; letters, digits and `-`.
    var id: String
    var title: String
    /// What is seen here, and what to know for reading it.
    var caption: String
    var x: Axis
    var y: Axis
    var series: [Series]
    var bands: [Band] = []
    var markers: [Marker] = []
    var hints: [Hint] = []
    var table: Table

    var isEmpty: Bool { !self.series.contains { $0.points.contains { $0.y != nil } } }
}
