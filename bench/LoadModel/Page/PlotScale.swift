// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// Where on an axis a value lies, and which values are written at it.
struct PlotScale {
    enum Kind {
        case linear
        /// To the base of 10; values above 0.
        case logarithmic
        /// Percentages up to 100: 90, 99, 99.9 % lie at equal distances.
        case nines
        /// Seconds after the start.
        case time
    }

    struct Tick: Equatable {
        var value: Double
        var label: String
    }

    let kind: Kind
    let lower: Double
    let upper: Double

    private init(kind: Kind, lower: Double, upper: Double) {
        self.kind = kind
        self.lower = lower
        self.upper = upper
    }

    // MARK: - Making one

    /// From zero to a round number at or above all values.
    static func linear(_ values: some Sequence<Double>) -> PlotScale {
        let largest = values.lazy.filter(\.isFinite).max() ?? 0
        guard largest > 0 else { return PlotScale(kind: .linear, lower: 0, upper: 1) }
        let step = Self.roundStep(largest / 5)
        return PlotScale(kind: .linear, lower: 0, upper: (largest * 1.02 / step).rounded(.up) * step)
    }

    /// From a 1, 2 or 5 at or below all values above zero to one at or above them.
    static func logarithmic(_ values: some Sequence<Double>) -> PlotScale {
        let known = values.lazy.filter { $0.isFinite && $0 > 0 }
        guard let smallest = known.min(), let largest = known.max() else {
            return PlotScale(kind: .logarithmic, lower: 0.1, upper: 10)
        }
        let lower = Self.lastMark(atOrBelow: smallest)
        var upper = Self.lastMark(atOrBelow: largest)
        while upper < largest || upper <= lower { upper = Self.nextMark(after: upper) }
        return PlotScale(kind: .logarithmic, lower: lower, upper: upper)
    }

    /// Logarithmic where the largest value is more than ten times the smallest.
    static func fitting(_ values: [Double]) -> PlotScale {
        let known = values.filter { $0.isFinite && $0 > 0 }
        guard let smallest = known.min(), let largest = known.max(), largest > 10 * smallest else {
            return .linear(values)
        }
        return .logarithmic(known)
    }

    static func time(upTo seconds: Double) -> PlotScale {
        PlotScale(kind: .time, lower: 0, upper: max(1, seconds))
    }

    /// - Parameter count: Of values; the axis ends where one of them lies beyond.
    static func nines(count: UInt64) -> PlotScale {
        PlotScale(kind: .nines, lower: 0, upper: max(1, log10(Double(max(1, count)))))
    }

    // MARK: - Using it

    /// 0 at the lower end and 1 at the upper; what is beyond an end lies on it.
    func place(of value: Double) -> Double {
        let place =
            switch self.kind {
            case .linear, .time: (value - self.lower) / (self.upper - self.lower)
            case .logarithmic:
                value <= self.lower ? 0 : log10(value / self.lower) / log10(self.upper / self.lower)
            case .nines: value >= 100 ? 1 : -log10(1 - value / 100) / self.upper
            }
        return place.isFinite ? min(1, max(0, place)) : 0
    }

    /// How the scale is called beside the unit.
    var note: String? {
        switch self.kind {
        case .linear, .time: nil
        case .logarithmic: "log scale"
        case .nines: "scale by nines"
        }
    }

    /// Rising; at most about `max`.
    func ticks(max count: Int) -> [Tick] {
        switch self.kind {
        case .linear: self.linearTicks(max: count)
        case .logarithmic: self.logarithmicTicks(max: count)
        case .nines: self.ninesTicks
        case .time: self.timeTicks(max: count)
        }
    }

    // MARK: - Marks

    private func linearTicks(max count: Int) -> [Tick] {
        // Even distances need fewer marks.
        let count = min(count, 6)
        var step = Self.roundStep((self.upper - self.lower) / Double(max(1, count)))
        while (self.upper - self.lower) / step > Double(count) + 0.5 { step = Self.roundStep(step * 1.5) }
        // As many as the step has.
        let digits = (0...9).first { digits in
            let scaled = step * pow(10, Double(digits))
            return abs(scaled - scaled.rounded()) < 1e-6 * scaled
        }
        return (0...max(0, Int((self.upper / step + 1e-9).rounded(.down)))).map { number in
            Tick(value: Double(number) * step, label: FigureText.fixed(Double(number) * step, digits: digits ?? 9))
        }
    }

    private func logarithmicTicks(max count: Int) -> [Tick] {
        var marks: [Double] = []
        var mark = self.lower
        while mark <= self.upper * 1.0001, marks.count < 100 {
            marks.append(mark)
            mark = Self.nextMark(after: mark)
        }
        // All of 1, 2 and 5; or 1 and 5; or the powers of ten; or each second, third, ... of those.
        if marks.count > count { marks.removeAll { Self.isPowerOfTen($0 * 5) } }
        if marks.count > count {
            let powers = marks.filter { Self.isPowerOfTen($0) }
            let stride = (powers.count + count - 1) / Swift.max(1, count)
            if powers.count > 1 {
                marks = powers.enumerated().filter { $0.offset.isMultiple(of: Swift.max(1, stride)) }.map(\.element)
            }
        }
        return marks.map { Tick(value: $0, label: FigureText.mark($0)) }
    }

    private var ninesTicks: [Tick] {
        var ticks = [Tick(value: 0, label: "0")]
        if self.upper <= 5 { ticks.append(Tick(value: 50, label: "50")) }
        ticks.append(Tick(value: 90, label: "90"))
        var label = "99"
        var rest = 0.01
        while -log10(rest) <= self.upper + 1e-9 {
            ticks.append(Tick(value: 100 * (1 - rest), label: label))
            label += label == "99" ? ".9" : "9"
            rest /= 10
        }
        return ticks
    }

    private func timeTicks(max count: Int) -> [Tick] {
        let steps: [Double] = [
            0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200,
        ]
        let step = steps.first { self.upper / $0 <= Double(count) } ?? 86_400
        return (0...Int((self.upper / step + 1e-9).rounded(.down))).map { number in
            let value = Double(number) * step
            return Tick(value: value, label: self.timeLabel(value))
        }
    }

    private func timeLabel(_ seconds: Double) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let whole = Int(seconds.rounded())
        return switch self.timeUnit {
        case .seconds: FigureText.trimmed(seconds)
        case .minutes: "\(whole / 60):\(two(whole % 60))"
        case .hours: "\(whole / 3600):\(two(whole % 3600 / 60))"
        }
    }

    enum TimeUnit: String {
        case seconds = "s"
        case minutes = "min:s"
        case hours = "h:min"
    }

    var timeUnit: TimeUnit {
        switch self.upper {
        case ..<181: .seconds
        case ..<7201: .minutes
        default: .hours
        }
    }

    /// The smallest of 1, 2, 2.5 and 5 times a power of ten at or above it.
    private static func roundStep(_ step: Double) -> Double {
        guard step > 0, step.isFinite else { return 1 }
        let power = pow(10, log10(step).rounded(.down))
        let factor = [1, 2, 2.5, 5, 10].first { $0 * power >= step * 0.999_999 } ?? 10
        return factor * power
    }

    private static func lastMark(atOrBelow value: Double) -> Double {
        let power = pow(10, log10(value).rounded(.down))
        return ([5, 2, 1].first { $0 * power <= value * 1.000_001 } ?? 1) * power
    }

    private static func nextMark(after mark: Double) -> Double {
        let power = pow(10, (log10(mark) + 1e-9).rounded(.down))
        return ([1, 2, 5].first { $0 * power > mark * 1.000_001 } ?? 10) * power
    }

    private static func isPowerOfTen(_ mark: Double) -> Bool {
        let exponent = log10(mark)
        return abs(exponent - exponent.rounded()) < 1e-6
    }
}

extension FigureText {
    /// A mark of a logarithmic axis: 0.01, 0.5, 200, 1,000.
    static func mark(_ value: Double) -> String {
        let digits = value >= 1 ? 0 : Int((-log10(value) + 1e-9).rounded(.up))
        return Self.fixed(value, digits: digits)
    }
}
