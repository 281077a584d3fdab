// SPDX-License-Identifier: Apache-2.0

/// Draws a plot as SVG, in user units that are pixels at the size it is made for.
struct PlotDrawing {
    /// A page has every plot in two sizes and shows one of them, so that text is never scaled to be unreadable.
    struct Size {
        var suffix: String
        var width: Double
        var height: Double
        var left: Double
        var ticksX: Int
        var ticksY: Int
        var hasHints: Bool

        static let wide = Size(
            suffix: "wide",
            width: 720,
            height: 340,
            left: 64,
            ticksX: 12,
            ticksY: 10,
            hasHints: true
        )
        static let narrow = Size(
            suffix: "narrow",
            width: 360,
            height: 280,
            left: 52,
            ticksX: 6,
            ticksY: 7,
            hasHints: false
        )
    }

    private static let top = 34.0
    private static let right = 18.0
    private static let bottom = 46.0

    let plot: Plot
    let size: Size

    private var innerWidth: Double { self.size.width - self.size.left - Self.right }
    private var innerHeight: Double { self.size.height - Self.top - Self.bottom }
    private var floor: Double { Self.top + self.innerHeight }

    func draw(into markup: inout Markup) {
        let id = "\(self.plot.id)-\(self.size.suffix)"
        markup.element(
            "svg",
            [
                "class": "plot \(self.size.suffix)", "role": "img", "aria-labelledby": "\(id)-title \(id)-text",
                "viewBox": "0 0 \(Self.text(self.size.width)) \(Self.text(self.size.height))",
                "xmlns": "http://www.w3.org/2000/svg",
            ]
        ) { markup in
            markup.element("title", ["id": "\(id)-title"], self.plot.title)
            markup.element("desc", ["id": "\(id)-text"], self.description)
            self.drawBands(into: &markup)
            self.drawAxes(into: &markup)
            // The first one is on top.
            for series in self.plot.series.reversed() { self.draw(series, into: &markup) }
            self.drawMarkers(into: &markup)
            if self.size.hasHints { self.drawHints(into: &markup) }
        }
    }

    private var description: String {
        let names = self.plot.series.map(\.name).joined(separator: ", ")
        return "\(self.plot.y.label) over \(self.plot.x.label): \(names). The values are in the table below the plot."
    }

    // MARK: - Places

    private func x(_ value: Double) -> Double { self.size.left + self.plot.x.scale.place(of: value) * self.innerWidth }
    private func y(_ value: Double) -> Double { self.floor - self.plot.y.scale.place(of: value) * self.innerHeight }

    /// A coordinate: a tenth of a pixel is enough.
    private static func text(_ value: Double) -> String {
        let text = SummaryTable.number(value, digits: 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    // MARK: - Around the lines

    private func drawBands(into markup: inout Markup) {
        for band in self.plot.bands {
            let (from, to) = (self.x(band.from), self.x(band.to))
            guard to > from else { continue }
            markup.empty(
                "rect",
                [
                    "class": "band", "x": Self.text(from), "y": Self.text(Self.top), "width": Self.text(to - from),
                    "height": Self.text(self.innerHeight),
                ]
            )
            // About six units a character; where it does not fit, the legend tells.
            if to - from > Double(band.label.count) * 6.2 + 8 {
                let place: KeyValuePairs<StaticString, String> = [
                    "class": "note", "x": Self.text(from + 4), "y": Self.text(Self.top + 13),
                ]
                markup.element("text", place, band.label)
            }
        }
    }

    private func drawAxes(into markup: inout Markup) {
        let right = self.size.left + self.innerWidth
        for tick in self.plot.y.scale.ticks(max: self.size.ticksY) {
            let y = self.y(tick.value)
            self.line(from: (self.size.left, y), to: (right, y), "grid", into: &markup)
            self.label(tick.label, at: (self.size.left - 6, y + 4), "tick end", into: &markup)
        }
        for tick in self.plot.x.scale.ticks(max: self.size.ticksX) {
            let x = self.x(tick.value)
            self.line(from: (x, Self.top), to: (x, self.floor), "grid", into: &markup)
            self.label(tick.label, at: (x, self.floor + 16), "tick middle", into: &markup)
        }
        self.line(from: (self.size.left, self.floor), to: (right, self.floor), "axis", into: &markup)
        self.label(self.plot.y.label, at: (4, 16), "axis-label", into: &markup)
        let middle = self.size.left + self.innerWidth / 2
        self.label(self.plot.x.label, at: (middle, self.size.height - 8), "axis-label middle", into: &markup)
    }

    private func drawMarkers(into markup: inout Markup) {
        for marker in self.plot.markers {
            let x = self.x(marker.x)
            self.line(from: (x, Self.top), to: (x, self.floor), "marker", into: &markup)
            let isRight = x > self.size.left + self.innerWidth * 0.7
            self.label(
                marker.label,
                at: (isRight ? x - 4 : x + 4, Self.top + 13),
                isRight ? "note end" : "note",
                into: &markup
            )
        }
    }

    private func drawHints(into markup: inout Markup) {
        for hint in self.plot.hints {
            let (from, to) = (self.x(hint.from), self.x(hint.to))
            guard to > from else { continue }
            markup.element(
                "rect",
                [
                    "class": "hint", "x": Self.text(from), "y": Self.text(Self.top), "width": Self.text(to - from),
                    "height": Self.text(self.innerHeight),
                ]
            ) { $0.element("title", hint.text) }
        }
    }

    private func line(
        from start: (x: Double, y: Double),
        to end: (x: Double, y: Double),
        _ style: String,
        into markup: inout Markup
    ) {
        markup.empty(
            "line",
            [
                "class": style, "x1": Self.text(start.x), "y1": Self.text(start.y), "x2": Self.text(end.x),
                "y2": Self.text(end.y),
            ]
        )
    }

    private func label(_ text: String, at place: (x: Double, y: Double), _ style: String, into markup: inout Markup) {
        markup.element("text", ["class": style, "x": Self.text(place.x), "y": Self.text(place.y)], text)
    }

    // MARK: - Lines

    private func draw(_ series: Plot.Series, into markup: inout Markup) {
        let parts = series.points.split { $0.y == nil }.map { part in
            part.map { (x: self.x($0.x), y: self.y($0.y ?? 0)) }
        }
        for part in parts {
            guard let first = part.first, let last = part.last else { continue }
            // A line from a point to itself is not drawn.
            guard part.count > 1 else {
                markup.empty(
                    "circle",
                    ["class": "dot s\(series.style)", "cx": Self.text(first.x), "cy": Self.text(first.y), "r": "3.5"]
                )
                continue
            }
            let path = "M" + part.map { "\(Self.text($0.x)) \(Self.text($0.y))" }.joined(separator: "L")
            if series.isFilled {
                let area = "\(path)L\(Self.text(last.x)) \(Self.text(self.floor))L\(Self.text(first.x)) "
                markup.empty("path", ["class": "area s\(series.style)", "d": "\(area)\(Self.text(self.floor))Z"])
            }
            markup.empty("path", ["class": "line s\(series.style)", "d": path])
        }
    }
}
