import CLinux
import Glibc
import Netlink

/// What one change costs where services are rules: a table of the shape that kube-proxy's nftables mode makes (a map from address and
/// port to a chain for each service, which chooses a chain for each endpoint by a random number), loaded and changed by Debian's `nft`.
///
/// This is `nft` and the kernel alone: the program that decides what to change comes on top.
enum ReferenceRuleset {
    static func run(services: Int, endpoints: Int, times: Int) throws {
        guard access("/usr/sbin/nft", X_OK) == 0 else { return print("nft is not installed: nothing to compare with") }
        let namespace = try NetworkNamespace.new()
        let load = try nft(namespace, whole(services, endpoints))
        print("a ruleset of chains, \(services) services of \(endpoints) endpoints, by nft")
        print("  loaded: \(rounded(load * 1000)) ms of CPU")
        var costs: [Double] = []
        for round in 0..<times {
            let service = round * 7919 % services
            costs.append(try nft(namespace, change(service, endpoints, round)))
        }
        print("  one endpoint changed: CPU of nft \(Figures(costs).milliseconds)")
    }

    private static func whole(_ services: Int, _ endpoints: Int) -> String {
        var text = "table ip reference {\n"
        for service in 0..<services {
            for endpoint in 0..<endpoints { text += "chain e\(service)-\(endpoint) {\n\(translation(service, endpoint, 1))\n}\n" }
            text += "chain s\(service) {\n\(choice(service, endpoints))\n}\n"
        }
        text += "map services {\ntype ipv4_addr . inet_proto . inet_service : verdict\nelements = {\n"
        for service in 0..<services { text += "\(front(service)) . tcp . 80 : goto s\(service),\n" }
        text +=
            "}\n}\nchain nat {\ntype nat hook prerouting priority -100;\nip daddr . meta l4proto . th dport vmap @services\n}\n}\n"
        return text
    }

    /// As a whole service is written again when one of its endpoints changes.
    private static func change(_ service: Int, _ endpoints: Int, _ round: Int) -> String {
        var text = ""
        for endpoint in 0..<endpoints {
            text += "flush chain ip reference e\(service)-\(endpoint)\n"
            text +=
                "add rule ip reference e\(service)-\(endpoint) \(translation(service, endpoint, endpoint == 0 ? 2 + round : 1))\n"
        }
        text += "flush chain ip reference s\(service)\nadd rule ip reference s\(service) \(choice(service, endpoints))\n"
        return text
    }

    private static func front(_ service: Int) -> String { "10.96.\(service >> 8).\(service & 255)" }
    private static func translation(_ service: Int, _ endpoint: Int, _ part: Int) -> String {
        "meta l4proto tcp dnat to 10.\(128 + endpoint).\(service >> 8 & 255).\(service & 255):\(8080 + part)"
    }
    private static func choice(_ service: Int, _ endpoints: Int) -> String {
        let ways = (0..<endpoints).map { "\($0) : goto e\(service)-\($0)" }.joined(separator: ", ")
        return "numgen random mod \(endpoints) vmap { \(ways) }"
    }

    /// - Returns: seconds of CPU, of the kernel's work for it too.
    private static func nft(_ namespace: NetworkNamespace, _ text: String) throws -> Double {
        var template = Array("/tmp/tulle-nft-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw AgentStage.Trouble(description: "\(path): errno \(errno)") }
            bytes = bytes.dropFirst(count)
        }
        close(file)
        let before = children()
        let outcome = try Call(["/usr/sbin/nft", "-f", path]).run(in: namespace)
        guard outcome.status == 0 else { throw AgentStage.Trouble(description: "nft refuses its ruleset: \(outcome.output)") }
        return children() - before
    }

    /// What processes that were waited for have used.
    private static func children() -> Double {
        var usage = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
