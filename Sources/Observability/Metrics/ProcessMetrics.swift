// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// What the kernel says about this process, read from `/proc` (proc(5)).
package struct ProcessMetrics: Sendable, Equatable {
    package var residentBytes: UInt64
    package var virtualBytes: UInt64
    /// User and system time.
    package var cpuSeconds: Double
    /// Seconds since 1970-01-01.
    package var startTimeSeconds: Double
    package var openDescriptors: Int
    /// How many there may be.
    package var openDescriptorsMax: Int

    /// Reads them now, or returns nil where there is no `/proc`.
    package static func read() -> ProcessMetrics? {
        guard let stat = Self.readFile("/proc/self/stat"), let systemStat = Self.readFile("/proc/stat"),
            let descriptors = Self.countDescriptors()
        else { return nil }
        var limit = rlimit()
        let hasLimit = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        return ProcessMetrics(
            stat: stat,
            systemStat: systemStat,
            ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))),
            pageBytes: UInt64(sysconf(Int32(_SC_PAGESIZE))),
            openDescriptors: descriptors,
            openDescriptorsMax: hasLimit ? Int(clamping: limit.rlim_cur) : 0
        )
    }

    /// Takes the two files apart. Returns nil for anything that does not look like them.
    init?(
        stat: String,
        systemStat: String,
        ticksPerSecond: Double,
        pageBytes: UInt64,
        openDescriptors: Int,
        openDescriptorsMax: Int
    ) {
        // The second field is the name of the program in brackets and may itself hold spaces and brackets.
        guard let bracket = stat.lastIndex(of: ")") else { return nil }
        // From the third field of proc(5) on.
        let fields = stat[stat.index(after: bracket)...].split(separator: " ")
        let bootLine = systemStat.split(separator: "\n").first { $0.hasPrefix("btime ") }
        guard fields.count > 21, let boot = bootLine?.split(separator: " ").last.flatMap({ Double($0) }),
            let userTicks = Double(fields[11]), let systemTicks = Double(fields[12]),
            let startTicks = Double(fields[19]), let virtualBytes = UInt64(fields[20]),
            let residentPages = UInt64(fields[21])
        else { return nil }
        self.residentBytes = residentPages * pageBytes
        self.virtualBytes = virtualBytes
        self.cpuSeconds = (userTicks + systemTicks) / ticksPerSecond
        self.startTimeSeconds = boot + startTicks / ticksPerSecond
        self.openDescriptors = openDescriptors
        self.openDescriptorsMax = openDescriptorsMax
    }

    private static func readFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        // A machine with many processors has a long /proc/stat; it ends well below this.
        while bytes.count < 1 << 20 {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes.append(contentsOf: chunk[..<count])
        }
        return nil
    }

    private static func countDescriptors() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without ".", ".." and the descriptor that this listing itself opened.
        return max(0, count - 3)
    }
}

extension MetricsRegistry {
    /// Adds the metrics that every exporter of a process has, under their usual names. Call once.
    package func collectProcessMetrics() {
        let resident = self.process(.gauge, "process_resident_memory_bytes", "Resident memory.")
        let virtual = self.process(.gauge, "process_virtual_memory_bytes", "Virtual memory.")
        let cpu = self.process(.counter, "process_cpu_seconds_total", "User and system CPU time.")
        let descriptors = self.process(.gauge, "process_open_fds", "Open file descriptors.")
        let descriptorsMax = self.process(.gauge, "process_max_fds", "File descriptors that may be open.")
        let start = self.process(.gauge, "process_start_time_seconds", "Start of the process since 1970-01-01.")
        self.collect { sink in
            guard let metrics = ProcessMetrics.read() else { return }
            sink.record(resident, metrics.residentBytes)
            sink.record(virtual, metrics.virtualBytes)
            sink.record(cpu, metrics.cpuSeconds)
            sink.record(descriptors, metrics.openDescriptors)
            sink.record(descriptorsMax, metrics.openDescriptorsMax)
            sink.record(start, metrics.startTimeSeconds)
        }
    }

    private func process(_ kind: MetricKind, _ name: String, _ help: String) -> CollectedMetric {
        precondition(MetricName.isValidForProcess(name, kind: kind), "\(name) is not the name of a \(kind)")
        return self.declareUnchecked(kind, name, help: help, labels: [])
    }
}
