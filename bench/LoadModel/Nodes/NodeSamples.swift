// SPDX-License-Identifier: Apache-2.0

/// What a node told of its process over a run, some time after the other.
///
/// Pure; times are nanoseconds after the start of the sending, and may lie before it.
package struct NodeSamples: Sendable {
    /// Samples that are kept, one for each interval; when there would be more, neighbours become one.
    package static let samplesMax = 960

    package struct Sample: Sendable, Equatable {
        package var time: Int64
        /// Processor time of the process since its start.
        package var cpuSeconds: Double?
        package var residentBytes: Int?
        /// Start of the process; another one is another process, whose processor time starts at zero.
        package var startedAt: Double?

        package init(time: Int64, cpuSeconds: Double?, residentBytes: Int?, startedAt: Double?) {
            self.time = time
            self.cpuSeconds = cpuSeconds
            self.residentBytes = residentBytes
            self.startedAt = startedAt
        }

        /// From the answer to `/metrics`. Nil when it has nothing of it.
        package init?(metrics text: String, at time: Int64) {
            let resident = MetricsText.value(of: "process_resident_memory_bytes", in: text)
            self.init(
                time: time,
                cpuSeconds: MetricsText.value(of: "process_cpu_seconds_total", in: text),
                residentBytes: resident.flatMap { Int(exactly: $0.rounded()) },
                startedAt: MetricsText.value(of: "process_start_time_seconds", in: text)
            )
            if self.cpuSeconds == nil, self.residentBytes == nil { return nil }
        }
    }

    private var spacing: Int64 = 1_000_000_000
    /// Of rising times. The first place is for what lies before the start.
    private var places: [Sample?] = []
    package private(set) var latest: Sample?
    private var beforeLatest: Sample?
    /// The same, also when the node did not answer since.
    private var last: Sample?
    package private(set) var peakResidentBytes: Int?
    /// Times that the node did not answer.
    package private(set) var missed = 0

    package init() {}

    package mutating func noteMissed() {
        self.missed += 1
        self.latest = nil
        self.beforeLatest = nil
    }

    package mutating func note(_ sample: Sample) {
        self.beforeLatest = self.latest
        self.latest = sample
        if let bytes = sample.residentBytes { self.peakResidentBytes = max(self.peakResidentBytes ?? 0, bytes) }
        while Self.place(of: sample.time, spacing: self.spacing) >= Self.samplesMax { self.widen() }
        let place = Self.place(of: sample.time, spacing: self.spacing)
        if place >= self.places.count {
            self.places.append(contentsOf: repeatElement(nil, count: place + 1 - self.places.count))
        }
        self.last = sample
        // Before the start the latest one counts, later the first of each interval: the next to its bound.
        self.places[place] = place == 0 ? sample : Self.joined(self.places[place], sample)
    }

    private static func place(of time: Int64, spacing: Int64) -> Int {
        time < 0 ? 0 : Int(time / spacing) + 1
    }

    /// The earlier one, with the larger memory of both.
    private static func joined(_ first: Sample?, _ second: Sample?) -> Sample? {
        guard var first, let second else { return first ?? second }
        if let bytes = second.residentBytes { first.residentBytes = max(bytes, first.residentBytes ?? 0) }
        return first
    }

    private mutating func widen() {
        self.spacing *= 2
        var wide: [Sample?] = Array(self.places.prefix(1))
        for (index, sample) in self.places.dropFirst().enumerated() {
            if index.isMultiple(of: 2) {
                wide.append(sample)
            } else {
                wide[wide.count - 1] = Self.joined(wide[wide.count - 1], sample)
            }
        }
        self.places = wide
    }

    // MARK: - Figures

    /// Processor time over wall time between the last two answers, 1 for one core; nil while there are no two.
    package var latestCores: Double? {
        guard let before = self.beforeLatest, let latest = self.latest else { return nil }
        return Self.cpuSeconds(from: before, to: latest).map { $0 / (Double(latest.time - before.time) / 1e9) }
    }

    /// The processor time that was taken between two moments: between two answers it is taken as growing evenly.
    ///
    /// Nil when the node was started anew in between, or did not answer for long.
    package func cpuSeconds(from start: Int64, to end: Int64) -> Double? {
        guard start < end else { return nil }
        var samples = self.places.compactMap { $0 }
        if let last = self.last, last.time > samples.last?.time ?? last.time { samples.append(last) }
        samples.removeAll { $0.cpuSeconds == nil }
        // From the last one at or before the start to the first one at or after the end.
        guard let first = samples.lastIndex(where: { $0.time <= start }),
            let last = samples.firstIndex(where: { $0.time >= end }), first < last
        else { return nil }
        var total = 0.0
        for (one, next) in zip(samples[first...last], samples[(first + 1)...last]) {
            let length = next.time - one.time
            guard length <= self.gapMax, let seconds = Self.cpuSeconds(from: one, to: next) else { return nil }
            let shared = min(next.time, end) - max(one.time, start)
            total += seconds * Double(max(0, shared)) / Double(length)
        }
        return total
    }

    private static func cpuSeconds(from one: Sample, to next: Sample) -> Double? {
        guard let first = one.cpuSeconds, let last = next.cpuSeconds, last >= first, next.time > one.time,
            one.startedAt == next.startedAt
        else { return nil }
        return last - first
    }

    /// Nothing can be said about longer silences.
    private var gapMax: Int64 { max(5_000_000_000, 3 * self.spacing) }

    /// The largest resident memory that was told between two moments.
    package func residentBytes(from start: Int64, to end: Int64) -> Int? {
        self.places.lazy.compactMap { $0 }.filter { $0.time >= start && $0.time < end }.compactMap(\.residentBytes)
            .max()
    }
}
