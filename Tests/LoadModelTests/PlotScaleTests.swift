// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LoadModel

@Suite("The scales of plots")
struct PlotScaleTests {
    @Test("a linear scale begins at zero and ends at a round number")
    func linear() {
        let scale = PlotScale.linear([3, 87, 41])
        #expect(scale.lower == 0)
        #expect(scale.upper == 100)
        #expect(scale.ticks(max: 6).map(\.label) == ["0", "20", "40", "60", "80", "100"])
        #expect(scale.place(of: 50) == 0.5)
        #expect(scale.place(of: -1) == 0)
        #expect(scale.place(of: 1e9) == 1)
        #expect(PlotScale.linear([0.0021]).ticks(max: 6).map(\.label).last == "0.0025")
        #expect(PlotScale.linear([0, 0]).upper == 1)
        #expect(PlotScale.linear([]).ticks(max: 5).isEmpty == false)
        #expect(PlotScale.linear([12_000]).ticks(max: 6).map(\.label).contains("10,000"))
    }

    @Test("a logarithmic scale holds all values and has marks at 1, 2 and 5")
    func logarithmic() {
        let scale = PlotScale.logarithmic([0.7, 31])
        #expect(abs(scale.lower - 0.5) < 1e-9)
        #expect(abs(scale.upper - 50) < 1e-9)
        #expect(scale.ticks(max: 8).map(\.label) == ["0.5", "1", "2", "5", "10", "20", "50"])
        #expect(abs(scale.place(of: 5) - 0.5) < 1e-9)
        #expect(scale.place(of: 0) == 0)
        let wide = PlotScale.logarithmic([0.001, 100_000])
        #expect(wide.ticks(max: 5).count <= 5)
        #expect(PlotScale.logarithmic([7]).upper > PlotScale.logarithmic([7]).lower)
        #expect(PlotScale.logarithmic([0, -3]).upper == 10)
    }

    @Test("a scale is logarithmic where values differ by more than ten times")
    func fitting() {
        #expect(PlotScale.fitting([1, 9]).kind == .linear)
        #expect(PlotScale.fitting([1, 11]).kind == .logarithmic)
        #expect(PlotScale.fitting([]).kind == .linear)
    }

    @Test("nines lie at equal distances")
    func nines() {
        let scale = PlotScale.nines(count: 10_000)
        #expect(scale.ticks(max: 9).map(\.label) == ["0", "50", "90", "99", "99.9", "99.99"])
        #expect(abs(scale.place(of: 90) - 0.25) < 1e-9)
        #expect(abs(scale.place(of: 99) - 0.5) < 1e-9)
        #expect(scale.place(of: 100) == 1)
        #expect(PlotScale.nines(count: 0).place(of: 50) > 0)
    }

    @Test("time has round steps and a unit that fits its length")
    func time() {
        #expect(PlotScale.time(upTo: 22).ticks(max: 12).map(\.label).prefix(3) == ["0", "2", "4"])
        #expect(PlotScale.time(upTo: 22).timeUnit == .seconds)
        #expect(PlotScale.time(upTo: 600).ticks(max: 6).map(\.label).prefix(2) == ["0:00", "2:00"])
        #expect(PlotScale.time(upTo: 36_000).ticks(max: 6).map(\.label).prefix(2) == ["0:00", "2:00"])
        #expect(PlotScale.time(upTo: 36_000).timeUnit == .hours)
    }

    @Test("no scale has more marks than were asked for, and all lie on the axis")
    func marks() {
        for seed in UInt64(1)...300 {
            var random = SplitMix(seed: seed)
            let values = (0..<5).map { _ in Double.random(in: 0.001...1, using: &random) * 1e4 }
            for scale in [
                PlotScale.linear(values), .logarithmic(values), .time(upTo: values[0]), .fitting(values),
            ] {
                for count in [5, 8, 12] {
                    let ticks = scale.ticks(max: count)
                    #expect(!ticks.isEmpty && ticks.count <= count + 1, "seed \(seed), \(scale.kind)")
                    #expect(ticks.allSatisfy { $0.value <= scale.upper * 1.001 }, "seed \(seed), \(scale.kind)")
                    #expect(Set(ticks.map(\.label)).count == ticks.count, "seed \(seed), \(scale.kind): \(ticks)")
                }
            }
        }
    }

    @Test("figures have as many digits as they are worth")
    func figures() {
        let expected: [(Double, String)] = [
            (0, "0"), (0.01234, "0.0123"), (0.5, "0.500"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,235"),
            (1_234_567, "1,234,567"), (-4321, "-4,321"),
        ]
        for (value, text) in expected { #expect(FigureText.plain(value) == text) }
        #expect(FigureText.plain(.nan) == FigureText.none)
        #expect(FigureText.plain(nil) == FigureText.none)
        #expect(FigureText.count(999) == "999")
        #expect(FigureText.count(1000) == "1,000")
        #expect(FigureText.span(0.25) == "0.25 s")
        #expect(FigureText.span(125) == "2 min 5 s")
        #expect(FigureText.span(60) == "1 min")
        #expect(FigureText.span(7260) == "2 h 1 min")
        #expect(FigureText.trimmed(10) == "10")
        #expect(FigureText.trimmed(2.50) == "2.5")
        #expect(FigureText.mark(0.02) == "0.02")
        #expect(FigureText.mark(1000) == "1,000")
    }
}
