// SPDX-License-Identifier: Apache-2.0

/// A unit that a number in `cluster.yaml` is written with.
struct Unit: Sendable {
    var symbol: String
    /// What one of it is in the base unit: milliseconds or bytes.
    var factor: Int
}

/// Whole numbers with a unit: `250ms`, `64KiB`.
///
/// There are no fractions and no implied units, so a value never means something else than what a reader takes it for.
struct UnitSystem: Sendable {
    /// What is measured, for messages.
    var quantity: String
    /// From the smallest to the largest; the first is the base unit.
    var units: [Unit]

    static let time = UnitSystem(
        quantity: "time",
        units: [
            Unit(symbol: "ms", factor: 1),
            Unit(symbol: "s", factor: 1000),
            Unit(symbol: "m", factor: 60_000),
            Unit(symbol: "h", factor: 3_600_000),
            Unit(symbol: "d", factor: 86_400_000),
        ]
    )

    static let size = UnitSystem(
        quantity: "size",
        units: [
            Unit(symbol: "B", factor: 1),
            Unit(symbol: "KiB", factor: 1 << 10),
            Unit(symbol: "MiB", factor: 1 << 20),
            Unit(symbol: "GiB", factor: 1 << 30),
        ]
    )

    /// The units as a person lists them: `ms, s, m, h or d`.
    var listing: String {
        let symbols = self.units.map(\.symbol)
        return symbols.dropLast().joined(separator: ", ") + " or " + (symbols.last ?? "")
    }

    /// The value in the base unit.
    func parse(_ text: String) throws(ValueError) -> Int {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let symbol = text.dropFirst(digits.count).drop { $0 == " " }
        guard !digits.isEmpty else {
            throw ValueError("\(quoted(text)) is not a \(self.quantity)", remedy: self.advice)
        }
        guard !symbol.isEmpty else {
            throw ValueError("\(quoted(text)) has no unit", remedy: "add one of \(self.listing)")
        }
        guard let unit = self.units.first(where: { $0.symbol == symbol }) else {
            throw ValueError("\(quoted(String(symbol))) is not a unit of \(self.quantity)", remedy: self.advice)
        }
        guard let number = Int(digits) else {
            throw ValueError("\(quoted(text)) is too large", remedy: self.advice)
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        guard !overflow else {
            throw ValueError("\(quoted(text)) is too large", remedy: self.advice)
        }
        return value
    }

    /// The shortest exact text of a value in the base unit.
    func text(of value: Int) -> String {
        let unit = self.units.last { value != 0 && value % $0.factor == 0 } ?? self.units[0]
        return "\(value / unit.factor)\(unit.symbol)"
    }

    private var advice: String {
        let example = self.units[0].factor == 1 && self.units[0].symbol == "ms" ? "250ms" : "64KiB"
        return "write a whole number with \(self.listing), for example \(example)"
    }
}

extension Duration {
    /// Whole milliseconds; every duration in `cluster.yaml` is a whole number of them.
    package var wholeMilliseconds: Int {
        Int(self.components.seconds) * 1000 + Int(self.components.attoseconds / 1_000_000_000_000_000)
    }
}
