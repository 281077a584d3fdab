// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Operations

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: OperatorVerb.doctor.summary,
        discussion: """
            Looks at the secrets, at every shard's Postgres, at Redis, at every node of the file and every one that has \
            joined, and at this machine. Each check is one line: ok, warning, FAILS, or unknown when something else that \
            fails keeps it from being looked at; what to do stands below. Nothing is changed anywhere, and it works \
            before the cluster is started as well as while it does not work.

            Run it where nodes run: limits of files, rights of secrets and free ports are those of this machine.

            Examples:
              trunkline doctor
              trunkline doctor --list                  what is looked at, and why
              trunkline doctor --json | jq -r '.findings[] | select(.level == "fails") | .remedy'

            Exit codes: 0 nothing fails (there may be warnings); 1 something fails; 78 the configuration cannot be read; \
            64 as everywhere.
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    @Flag(help: ArgumentHelp(.list))
    var list = false

    @Option(help: ArgumentHelp(.doctorTimeout))
    var timeout = WaitTime(duration: .seconds(5), text: "5s")

    func run() async throws {
        if self.list { return print(DoctorReport.listing(), terminator: "") }
        let settings: ClusterSettings
        do {
            settings = try self.shared.loadSettings()
        } catch {
            try self.show(DoctorReport(unreadable: error))
            throw Ending.configurationIsWrong
        }
        let collector = DoctorCollector(
            settings: settings,
            path: self.shared.path,
            environment: SharedOptions.environment,
            group: MultiThreadedEventLoopGroup.singleton,
            timeout: self.timeout.duration,
            // What cannot be reached is in the report; log lines about it would say it twice.
            logger: Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
        )
        let report = DoctorReport(await collector.collect())
        try self.show(report)
        if !report.isWell { throw ExitCode.failure }
    }

    private func show(_ report: DoctorReport) throws {
        print(self.json ? try report.json() : report.text(), terminator: "")
    }
}
