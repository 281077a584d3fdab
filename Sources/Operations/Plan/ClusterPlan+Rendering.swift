// SPDX-License-Identifier: Apache-2.0

import Foundation

extension ClusterPlan {
    /// For people.
    package func text() -> String {
        var parts = [self.workloadTable, self.demandTable, self.machineTable]
        if !self.expenses.isEmpty { parts.append(self.expenseTable) }
        parts.append(self.assumptionTable)
        if !self.warnings.isEmpty {
            parts.append("Mind:\n" + self.warnings.map { "  - \($0)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// For programs: everything that the text has, in figures; names in snake case.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Three digits that count, with a unit above a million.
    package static func figure(_ value: Double) -> String {
        for (size, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M")] where abs(value) >= size {
            return String(format: "%.3g %@", value / size, unit)
        }
        if abs(value) >= 1000 { return Self.grouped(value) }
        if abs(value) >= 100 || value == value.rounded() { return String(format: "%.0f", value) }
        return String(format: abs(value) >= 1 ? "%.1f" : "%.3g", value)
    }

    /// `12,345`.
    private static func grouped(_ value: Double) -> String {
        let digits = String(format: "%.0f", value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3), digit != "-" { text += "," }
            text.append(digit)
        }
        return text
    }

    private static func percent(_ share: Double) -> String { String(format: "%.4g %%", share * 100) }

    private var workloadTable: String {
        let workload = self.workload
        var table = TextTable("WORKLOAD", "")
        table.add("users", Self.figure(Double(workload.users)))
        table.add("online at the peak", Self.percent(workload.onlineShare))
        table.add("devices of each", Self.figure(workload.devicesPerUser))
        table.add("messages a day", Self.figure(Double(workload.messagesPerDay)))
        table.add("peak by average", Self.figure(workload.peakFactor))
        table.add("in groups", Self.percent(workload.groupShare))
        let groups = workload.groups.map { "\(Self.figure(Double($0.members))): \(Self.percent($0.share))" }
        if !groups.isEmpty { table.add("members of groups", groups.joined(separator: ", ")) }
        table.add("bytes of a body", Self.figure(Double(workload.bodyBytes)))
        table.add("sessions of a device a day", Self.figure(workload.sessionsPerDeviceAndDay))
        table.add("days kept", Self.figure(workload.retentionDays))
        return table.text()
    }

    private var demandTable: String {
        var table = TextTable("IN THE BUSIEST MINUTES", "", "BECAUSE")
        for quantity in self.demand {
            let unit = quantity.unit.hasPrefix("/") || quantity.unit.isEmpty ? quantity.unit : " \(quantity.unit)"
            table.add(quantity.name, Self.figure(quantity.value) + unit, quantity.reason)
        }
        return table.text()
    }

    private var machineTable: String {
        var table = TextTable("MACHINES", "", "CORES EACH", "MEMORY EACH", "DISK EACH", "BOUND BY", "BECAUSE")
        for machines in self.machines {
            table.add(
                machines.kind,
                Self.figure(Double(machines.count)),
                "\(machines.cores)",
                "\(Self.figure(machines.memoryGiB)) GiB",
                machines.diskGiB > 0 ? "\(Self.figure(machines.diskGiB)) GiB" : "-",
                machines.boundBy,
                machines.reason
            )
        }
        return table.text()
    }

    /// In a month, and what that makes for a million messages.
    private var expenseTable: String {
        var table = TextTable("COST OF A MONTH", "", "BECAUSE")
        for expense in self.expenses {
            table.add(expense.name, Self.figure(expense.perMonth), "price × \(expense.reason)")
        }
        let sum = self.expenses.reduce(0) { $0 + $1.perMonth }
        table.add("together", Self.figure(sum), "what has a price")
        let messages = Double(self.workload.messagesPerDay) * PlanCalculation.hoursPerMonth / 24
        if messages > 0 {
            table.add("a million messages", String(format: "%.4g", sum / messages * 1e6), "by the messages of a month")
        }
        return table.text()
    }

    private var assumptionTable: String {
        var table = TextTable("ONE OF", "COSTS", "FROM")
        for (name, figure) in self.costs.listed {
            table.add(name, "\(Self.figure(figure.value)) \(figure.unit)", figure.source)
        }
        return table.text()
    }
}
