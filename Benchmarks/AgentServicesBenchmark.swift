import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// The whole agent as kube-proxy's stand-in: the real program, fed by a real API server with 10,000 and 50,000 services of five
/// endpoints, from its start to the committed table; then one endpoint at a time, and five hundred changes a second.
///
/// What is measured from outside errs to the agent's disadvantage: its start includes the program's, and a change's time begins when
/// the server has acknowledged it, before the watch event is sent. Each change brings an address that never was before, and is in
/// the kernel when nf_tables tells that an element with it was added.
enum AgentServicesBenchmark {
    static func run(sizes: [Int], seconds: Int) async throws {
        for size in sizes {
            let stage = try await AgentStage(size)
            defer { stage.end() }
            try stage.start()
            try stage.changeOne(times: 200)
            try stage.keepChanging(perSecond: 500, seconds: seconds)
            stage.printMemory("after it all")
        }
        try ReferenceRuleset.run(services: 5_000, endpoints: 5, times: 9)
    }
}

/// A node that is a namespace, an API server on its loopback, and the agent.
final class AgentStage {
    struct Trouble: Error, CustomStringConvertible { var description: String }

    private let size: Int
    private let directory: Directory
    private let socket: IsolatedSocket
    private let server: ServerProcess
    private var agent: MeasuredAgent?
    /// How many endpoints were made so far: their number is their address.
    private var made: Int
    /// The one of each service that is replaced again and again.
    private var first: [Int: Int]

    init(_ size: Int) async throws {
        self.size = size
        directory = try Directory()
        socket = try IsolatedSocket()
        server = try ServerProcess(directory.file("store"), socket.descriptor)
        made = size * 5
        first = Dictionary(uniqueKeysWithValues: (0..<size).map { ($0, $0 * 5) })
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        let node =
            #"{"metadata":{"name":"n1"},"spec":{"podCIDRs":["198.18.0.0/24"]},"status":{"addresses":"#
            + #"[{"type":"InternalIP","address":"192.0.2.1"}]}}"#
        guard try client.ask("POST", "/api/v1/nodes", node).status == 201 else {
            throw Trouble(description: "the node is refused")
        }
        _ = try await APIServerBenchmark.create(size, socket, "/api/v1/namespaces/default/services") { number in
            #"{"metadata":{"name":"s\#(number)"},"spec":{"ports":[{"name":"http","port":80}]}}"#
        }
        _ = try await APIServerBenchmark.create(size, socket, Self.slices) {
            Self.slice($0, Array($0 * 5..<$0 * 5 + 5))
        }
    }

    func end() {
        agent?.end()
        server.kill()
        close(socket.descriptor)
        _ = try? Call(["/bin/rm", "-r", directory.file("")]).run()
    }

    private static let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

    private static func slice(_ number: Int, _ endpoints: [Int]) -> String {
        let entries = endpoints.map { #"{"addresses":["\#(text(of: $0))"],"conditions":{"ready":true},"nodeName":"n2"}"# }
        return
            #"{"metadata":{"name":"s\#(number)-a","labels":{"kubernetes.io/service-name":"s\#(number)"}},"addressType":"IPv4","#
            + #""endpoints":[\#(entries.joined(separator: ","))],"ports":[{"name":"http","port":8080}]}"#
    }

    /// In 10.128.0.0/9, which is nobody's here.
    private static func address(of endpoint: Int) -> UInt32 { 0x0A80_0001 + UInt32(endpoint) }
    private static func text(of endpoint: Int) -> String {
        let bits = address(of: endpoint)
        return [24, 16, 8, 0].map { "\(bits >> $0 & 255)" }.joined(separator: ".")
    }
}

// MARK: - Measurements

extension AgentStage {
    /// From the program's start to the table with everything in it.
    func start() throws {
        // No ear meanwhile: the kernel would make a message of every element, at several times the price of the element.
        let tables = try KernelTables(in: socket.namespace)
        let before = try tables.generation()
        let begin = ContinuousClock.now
        agent = try MeasuredAgent(parts: "services", directory: directory.path, in: socket)
        // The first table is committed whole.
        while try tables.generation() == before, ContinuousClock.now - begin < .seconds(120) { poll(nil, 0, 2) }
        let end = ContinuousClock.now
        guard try tables.generation() != before else {
            throw Trouble(description: "no table is there after two minutes; the agent's log is \(directory.file("log"))")
        }
        print("\(size) services of 5 endpoints, the whole agent")
        print(
            "  from its start to the committed table: \(Self.milliseconds(end - begin)) ms; \(Self.milliseconds(cpu())) ms of CPU"
        )
        for _ in 0..<1000 {
            guard let (seconds, count) = try Self.wholeRounds(in: socket.namespace) else {
                poll(nil, 0, 10)
                continue
            }
            let note = count == 1 ? "" : ", the mean of \(count) looks at everything"
            print("  of which plan and commit: \(rounded(seconds / Double(count) * 1000)) ms\(note)")
            break
        }
        // It gives its start-up code back some seconds later.
        poll(nil, 0, 15_000)
        printMemory("with everything in it")
    }

    func printMemory(_ when: String) { print("  memory \(when): \(agent?.memory ?? "")") }

    /// One endpoint of one service replaced by another, each after the last one has come to rest.
    func changeOne(times: Int) throws {
        let watch = try ElementWatch(socket.namespace)
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        var (latencies, costs): ([Double], [Double]) = ([], [])
        for round in 0..<times {
            let before = cpu()
            let (endpoint, begin) = try change(round * 7919 % size, &client)
            guard let end = try watch.element(Self.address(of: endpoint), within: .seconds(10)) else {
                throw Trouble(description: "change \(round) is not in the kernel after ten seconds")
            }
            // What follows the commit is its cost too.
            poll(nil, 0, 20)
            latencies.append(max(0, (end - begin) / .seconds(1)))
            costs.append((cpu() - before) / .seconds(1))
        }
        print("  one endpoint changed, from the server's acknowledgement to the commit: \(Figures(latencies).milliseconds)")
        print("  … CPU of the agent: \(Figures(costs).milliseconds)")
    }

    func keepChanging(perSecond rate: Int, seconds: Int) throws {
        let watch = try ElementWatch(socket.namespace)
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        var acknowledged: [UInt32: ContinuousClock.Instant] = [:]
        // The kernel may have it before the answer to whoever asked for it is read.
        var early: Set<UInt32> = []
        var latencies: [Double] = []
        func collect() throws {
            for (address, time) in try watch.pending() {
                guard let begin = acknowledged.removeValue(forKey: address) else {
                    early.insert(address)
                    continue
                }
                latencies.append((time - begin) / .seconds(1))
            }
        }
        let (start, before) = (ContinuousClock.now, cpu())
        for number in 0..<(rate * seconds) {
            let due = start + .seconds(1) * number / rate
            while ContinuousClock.now < due {
                try collect()
                poll(nil, 0, 1)
            }
            let (endpoint, begin) = try change(number * 7919 % size, &client)
            if early.remove(Self.address(of: endpoint)) != nil {
                latencies.append(0)
            } else {
                acknowledged[Self.address(of: endpoint)] = begin
            }
            try collect()
        }
        let (wall, used) = (ContinuousClock.now - start, cpu() - before)
        let end = ContinuousClock.now + .seconds(5)
        while !acknowledged.isEmpty, ContinuousClock.now < end {
            try collect()
            poll(nil, 0, 1)
        }
        let sorted = latencies.sorted()
        let count = rate * seconds
        print(
            "  \(Int(Double(count) / (wall / .seconds(1)))) changes a second for \(seconds) s: "
                + "\(rounded(used / wall * 100)) % of a core; in the kernel after \(Figures(latencies).milliseconds), "
                + "99 of 100 within \(rounded((sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100]) * 1000)) ms; "
                + "\(acknowledged.count) of \(count) not seen")
        try checkTable()
    }

    /// Every endpoint that was last asked for is in the kernel, and no other.
    private func checkTable() throws {
        let tables = try KernelTables(in: socket.namespace)
        guard let table = try tables.observe(Table.ID(.ip, PacketPath.serviceTable))?.table else {
            throw Trouble(description: "the table of services is gone")
        }
        let targets = Set(table.sets.values.flatMap { $0.elements.values.compactMap(\.target) })
        let wanted = Set((0..<size * 5).filter { $0 % 5 != 0 }.map(Self.address)).union(first.values.map(Self.address))
        guard targets == wanted else {
            throw Trouble(
                description: "in the kernel at the end: \(wanted.subtracting(targets).count) endpoints are missing, "
                    + "\(targets.subtracting(wanted).count) should not be there")
        }
        print("  checked: the kernel has each of the \(wanted.count) endpoints, and no other")
    }

    /// - Returns: the new endpoint, and when the server had acknowledged it.
    private func change(_ service: Int, _ client: inout PlainConnection) throws -> (
        endpoint: Int, acknowledged: ContinuousClock.Instant
    ) {
        let endpoint = made
        made += 1
        first[service] = endpoint
        let others = (1..<5).map { service * 5 + $0 }
        let status = try client.ask("PUT", "\(Self.slices)/s\(service)-a", Self.slice(service, [endpoint] + others)).status
        guard status == 200 else { throw Trouble(description: "a slice's change is answered \(status)") }
        return (endpoint, .now)
    }

    private func cpu() -> Duration { agent?.cpu ?? .zero }

    private static func milliseconds(_ duration: Duration) -> String { rounded(duration / .milliseconds(1)) }
}

/// Hears which elements nf_tables was given.
final class ElementWatch {
    private let subscription: Subscription

    /// `NFNLGRP_NFTABLES` and `NFT_MSG_NEWSETELEM` (uapi/linux/netfilter).
    private static let (group, element): (UInt32, UInt8) = (7, 12)

    init(_ namespace: NetworkNamespace) throws {
        subscription = try Subscription(.netfilter, groups: [Self.group], in: namespace)
    }

    func element(_ address: UInt32, within limit: Duration) throws -> ContinuousClock.Instant? {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            for (found, time) in try pending(wait: end - .now) where found == address { return time }
        }
        return nil
    }

    /// The addresses of 10.128.0.0/9 in elements that were added since the last look.
    func pending(wait: Duration = .zero) throws -> [(UInt32, ContinuousClock.Instant)] {
        var found: [(UInt32, ContinuousClock.Instant)] = []
        var wait = wait
        while let event = try subscription.next(timeout: wait) {
            guard case .messages(let messages) = event else { throw AgentStage.Trouble(description: "messages were lost") }
            let now = ContinuousClock.now
            for message in messages where UInt8(message.type & 255) == Self.element {
                let bytes = Array(message.payload)
                for offset in stride(from: 0, through: bytes.count - 4, by: 4)
                where bytes[offset] == 10 && bytes[offset + 1] >= 128 {
                    found.append((bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }, now))
                }
            }
            wait = .zero
        }
        return found
    }
}

extension NamedSet.Content {
    /// The address in 10.128.0.0/9 that packets are sent to; `nil` in sets of something else.
    fileprivate var target: UInt32? {
        guard case .value(let value) = data, value.count >= 8 else { return nil }
        let address = value.bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        return address >> 23 == 0x0A80_0000 >> 23 ? address : nil
    }
}
