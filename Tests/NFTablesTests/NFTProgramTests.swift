import Addressing
import Foundation
import NFTables
import NFTablesKernel
import Netlink
import Testing

/// What people see when they look at our tables with the program they know.
@Suite("our text and nft's", .tags(.kernel), .enabled(if: kernelIsThere))
struct NFTProgramTests {
    @Test("nft lists what we wrote in the words of our own text", arguments: [TableFamily.ip, .ip6])
    func agrees(_ family: TableFamily) throws {
        let namespace = try NetworkNamespace.new()
        var tables = try KernelTables(in: namespace)
        let sample = sampleTable(family)
        try tables.settle(sample.id, to: sample)
        let listed = try nft(["--stateless", "list", "table", family.name, "sample"], in: namespace)
        #expect(blocks(listed) == blocks(sample.text))
    }

    @Test("what nft wrote is read back as nft lists it")
    func reads() throws {
        let namespace = try NetworkNamespace.new()
        let script = """
            table ip theirs {
                set allowed { type ipv4_addr; flags interval; elements = { 192.0.2.0/25, 198.51.100.1-198.51.100.9 } }
                map ports { type inet_service : verdict; elements = { 80 : accept, 81 : jump side } }
                chain side { counter; return; }
                chain input {
                    type filter hook input priority 0; policy drop;
                    ct state established,related accept
                    ip saddr @allowed tcp dport vmap @ports
                    udp dport 53 accept
                }
            }
            """
        _ = try nft(["-f", "-"], in: namespace, input: script)
        let tables = try KernelTables(in: namespace)
        let observed = try #require(try tables.observe(Table.ID(.ip, "theirs")))
        let listed = try nft(["--stateless", "list", "table", "ip", "theirs"], in: namespace)
        #expect(blocks(observed.table.text) == blocks(listed))
    }

    /// Sets, maps and chains by name, whitespace folded and elements sorted: nft orders by creation, we by name.
    private func blocks(_ text: String) -> [String] {
        var blocks: [[String]] = []
        for line in text.split(separator: "\n").map({ $0.trimmingCharacters(in: .whitespaces) }) where !line.isEmpty {
            if line.hasPrefix("set ") || line.hasPrefix("map ") || line.hasPrefix("chain ") { blocks.append([]) }
            if !blocks.isEmpty { blocks[blocks.count - 1].append(line) }
        }
        return blocks.map { lines in
            let text = lines.joined(separator: "\n")
            guard let open = text.range(of: "elements = {") else { return text }
            let elements = text[open.upperBound...].prefix { $0 != "}" }.split(separator: ",").map {
                $0.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            return text[..<open.lowerBound] + "elements " + elements.sorted().joined(separator: ", ")
        }.map { $0.replacingOccurrences(of: "}", with: "").trimmingCharacters(in: .whitespacesAndNewlines) }.sorted()
    }
}
