// SPDX-License-Identifier: Apache-2.0

import LoadModel

#if canImport(Glibc)
    import Glibc
#endif
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a figure says depends on where it was measured.
enum MachineFacts {
    static func read() -> RunReport.Machine {
        var machine = RunReport.Machine()
        machine.cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        machine.memoryMebibytes =
            Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE))) / (1024 * 1024)
        machine.processor = Self.field("model name", of: "/proc/cpuinfo") ?? "unknown"
        machine.kernel = Self.text("/proc/sys/kernel/osrelease")?.split(separator: "\n").first.map(String.init) ?? ""
        return machine
    }

    /// Memory and processor time of a process; nil when there is none.
    ///
    /// - Parameters:
    ///   - process: Nil for this one.
    ///   - time: Nanoseconds after the start of the sending.
    static func sample(of process: Int32?, at time: Int64) -> NodeSamples.Sample? {
        let folder = "/proc/\(process.map(String.init) ?? "self")"
        // proc(5): behind the name in parentheses the fields begin with the third; 14 and 15 are ticks of processor time.
        guard let stat = Self.text("\(folder)/stat"), let name = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        // The second number of statm: resident pages.
        let pages = Self.text("\(folder)/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return NodeSamples.Sample(
            time: time,
            cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))),
            residentBytes: pages.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) },
            startedAt: nil
        )
    }

    /// Lets this process open as many files as it may. Returns how many that are.
    static func raiseOpenFilesLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    private static func field(_ name: String, of path: String) -> String? {
        guard let text = Self.text(path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }

    private static func text(_ path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }
}
