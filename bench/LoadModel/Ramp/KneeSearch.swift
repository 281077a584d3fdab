// SPDX-License-Identifier: Apache-2.0

/// Which rate is offered next to find the knee: the highest rate that the cluster still bears. Pure.
///
///     climbing ──held──▶ rate × factor              falling ──failed──▶ rate ÷ factor
///         │                                              │
///         └──────── failed ────▶ bisecting ◀──── held ───┘
///                                    │
///                                    └── the two bounds are close enough, or steps are used up ──▶ done
///
/// Rates are bisected in their logarithms, as they rise. It ends after ``Settings/stepsMax`` steps in any case.
package struct KneeSearch: Sendable, Equatable {
    package struct Settings: Sendable, Equatable, Codable {
        /// Messages per second of the first step.
        package var firstRate: Double
        /// Above 1: from one step to the next while none has failed.
        package var factor = 1.5
        /// The knee is known when the lowest rate that failed is at most so many times the highest that held.
        package var precision = 1.1
        package var stepsMax = 12
        /// Rates that are never left.
        package var rateMin = 1.0
        package var rateMax = 1e6

        package init(firstRate: Double) {
            self.firstRate = firstRate
        }

        private enum CodingKeys: String, CodingKey {
            case factor, precision
            case firstRate = "first_rate"
            case stepsMax = "steps_max"
            case rateMin = "rate_min"
            case rateMax = "rate_max"
        }
    }

    package let settings: Settings
    /// The highest rate that held below all that failed, and the lowest that failed.
    package private(set) var held: Double?
    package private(set) var failed: Double?
    package private(set) var steps = 0
    /// What is to be offered now; nil when it is done.
    package private(set) var nextRate: Double?

    package init(_ settings: Settings) {
        self.settings = settings
        self.nextRate = settings.stepsMax > 0 ? min(max(settings.firstRate, settings.rateMin), settings.rateMax) : nil
    }

    /// What became of ``nextRate``.
    package mutating func note(held: Bool) {
        guard let rate = self.nextRate else { return }
        self.steps += 1
        if held { self.held = max(rate, self.held ?? 0) } else { self.failed = min(rate, self.failed ?? .infinity) }
        self.nextRate = self.steps < self.settings.stepsMax ? self.following(rate) : nil
    }

    /// Nothing more can be offered, whatever was found.
    package mutating func stop() {
        self.nextRate = nil
    }

    private func following(_ rate: Double) -> Double? {
        switch (self.held, self.failed) {
        case (let held?, let failed?):
            guard failed > held * self.settings.precision else { return nil }
            return (held * failed).squareRoot()
        case (_?, nil):
            return rate < self.settings.rateMax ? min(rate * self.settings.factor, self.settings.rateMax) : nil
        case (nil, _):
            return rate > self.settings.rateMin ? max(rate / self.settings.factor, self.settings.rateMin) : nil
        }
    }

    /// Whether the knee lies between two rates that were tried.
    package var isBracketed: Bool { self.held != nil && self.failed != nil }
}
