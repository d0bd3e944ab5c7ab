import CLinux
import DNS
import Glibc
import Netlink

/// The real program, `tulle dns`, that follows a real API server with 10,000 services of five endpoints, of which every other one is
/// headless: how soon a change is in its answers, and whether it loses a query while there are changes and its configuration is read
/// anew.
///
/// The server of names has one processor, everything else the other one. A change brings an address that never was before. Its time
/// begins when the API server has acknowledged it, before the watch event is sent, and ends when an answer with the address is here.
final class NamedCluster {
    struct Trouble: Error, CustomStringConvertible { var description: String }

    private let directory: Directory
    private let socket: IsolatedSocket
    private let api: ServerProcess
    private let server: NameServerStage.Server
    private let asking: Int32
    private var client: PlainConnection
    /// How many endpoints were made so far: their number is their address.
    private var made = size * 5
    private var unseen: [UInt16: Change] = [:]
    private var latencies: [Double] = []

    private static let size = DNSBenchmark.services
    private static let port = 5310
    private static let metricsPort: UInt16 = 9153
    private static let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

    /// One that was not seen in an answer yet.
    private struct Change {
        var service: Int
        var address: [UInt8]
        var acknowledged: ContinuousClock.Instant
        var asked: ContinuousClock.Instant
    }

    init(_ directory: Directory) async throws {
        self.directory = directory
        // Whatever is started from here on inherits it; the server of names does not.
        _ = try Call(["/usr/bin/taskset", "-a", "-p", "-c", "1", "\(getpid())"]).run()
        socket = try IsolatedSocket()
        api = try ServerProcess(directory.file("store"), socket.descriptor)
        client = try PlainConnection(socket.namespace, port: socket.port)
        _ = try await APIServerBenchmark.create(Self.size, socket, "/api/v1/namespaces/default/services") { number in
            let address = number % 2 == 0 ? "" : #""clusterIP":"None","#
            return
                #"{"metadata":{"name":"service-\#(number)"},"spec":{\#(address)"ports":[{"name":"http","port":80}]}}"#
        }
        _ = try await APIServerBenchmark.create(Self.size, socket, Self.slices) { Self.slice($0, Array($0 * 5..<$0 * 5 + 5)) }
        socket.writeKubeconfig(to: directory.file("kubeconfig"))
        try NameServerStage.write(Self.configuration(0), directory.file("names.yaml"))
        try NameServerStage.write(
            NameServerStage.questions { _ in "default.svc.cluster.local" }, directory.file("questions"))
        let running = try Call(
            [
                "/usr/bin/taskset", "-c", "0", try RoadAgent.program(), "dns", "serve", "--kubeconfig",
                directory.file("kubeconfig"),
                "--config", directory.file("names.yaml"), "--listen", "127.0.0.1", "--port", "\(Self.port)", "--threads", "1",
                "--farewell", "0", "--health-address", "off", "--ready-address", "off", "--metrics-address",
                "127.0.0.1:\(Self.metricsPort)",
            ], log: directory.file("names.log")
        ).spawn(in: socket.namespace)
        close(running.output)
        server = NameServerStage.Server(
            name: "tulle dns", port: Self.port, process: running.process, questions: directory.file("questions"))
        asking = try socket.namespace.perform { () throws(KernelError) in
            var (own, there) = (clinux_place(), clinux_place())
            (own.address.0, own.address.3) = (127, 1)
            (there.address.0, there.address.3, there.port) = (127, 1, UInt16(Self.port))
            let asking = clinux_asking_socket(&own, &there)
            if asking < 0 { throw KernelError(Errno(rawValue: errno), "open a socket to ask by") }
            return asking
        }
        try awaitNames()
        // It gives its start-up code back some seconds later.
        poll(nil, 0, 15_000)
    }

    func end() {
        server.end()
        api.kill()
        client.close()
        close(asking)
        close(socket.descriptor)
    }

    /// Another one each time: other upstreams, other hosts, another limit.
    private static func configuration(_ round: Int) -> String {
        """
        forward:
          upstreams: 127.0.0.1:\(5400 + round % 2)
        hosts:
          entries:
            host-\(round).example.org: 192.0.2.\(1 + round % 200)
        rateLimit:
          responsesPerSecond: 1000000
        cache:
          size: \(round % 2 == 0 ? "8Mi" : "4Mi")

        """
    }

    private static func slice(_ number: Int, _ endpoints: [Int]) -> String {
        let entries = endpoints.map {
            let address = bytes(of: $0).map(\.description).joined(separator: ".")
            return #"{"addresses":["\#(address)"],"conditions":{"ready":true},"nodeName":"n2"}"#
        }
        return
            #"{"metadata":{"name":"service-\#(number)-a","labels":{"kubernetes.io/service-name":"service-\#(number)"}},"#
            + #""addressType":"IPv4","endpoints":[\#(entries.joined(separator: ","))],"ports":[{"name":"http","port":8080}]}"#
    }

    /// In 10.128.0.0/9, which is nobody's here.
    private static func bytes(of endpoint: Int) -> [UInt8] {
        let bits = 0x0A80_0001 + UInt32(endpoint)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> $0) }
    }
}

// MARK: - One at a time, and many

extension NamedCluster {
    /// One endpoint of one service replaced by another, each after the last one was seen.
    func changeOne(times: Int) throws {
        print("tulle dns with \(Self.size) services of 5 endpoints: \(server.memory)")
        latencies = []
        var costs: [Double] = []
        for round in 0..<times {
            let before = server.cpu
            try change(round)
            try look(until: .now + .seconds(10)) { self.unseen.isEmpty }
            guard unseen.isEmpty else { throw Trouble(description: "change \(round) is in no answer after ten seconds") }
            poll(nil, 0, 20)
            costs.append((server.cpu - before) / .seconds(1))
        }
        print(
            "  one endpoint changed, from the API server's acknowledgement to an answer with it: \(Figures(latencies).milliseconds)"
        )
        print("  … CPU, with the questions: \(Figures(costs).milliseconds)")
    }

    func keepChanging(perSecond rate: Int, seconds: Int) throws {
        latencies = []
        let counted = try countedTimes()
        let (start, before) = (ContinuousClock.now, server.cpu)
        for number in 0..<(rate * seconds) {
            try look(until: start + .seconds(1) * number / rate) { false }
            try change(number)
        }
        let (wall, used) = (ContinuousClock.now - start, server.cpu - before)
        try look(until: .now + .seconds(5)) { self.unseen.isEmpty }
        let sorted = latencies.sorted()
        print(
            "  \(Int(Double(rate * seconds) / (wall / .seconds(1)))) changes a second for \(seconds) s: in answers after "
                + "\(Figures(latencies).milliseconds), 99 of 100 within "
                + "\(rounded((sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100]) * 1000)) ms (at most 10); "
                + "\(unseen.count) of \(rate * seconds) not seen; \(rounded(used / wall * 100)) % of a core")
        let times = try countedTimes().merging(counted) { $0 - $1 }
        let all = times[.infinity] ?? 0
        func share(_ bound: Double) -> String { "\(rounded(Double(times[bound] ?? 0) / Double(max(1, all)) * 100)) %" }
        print(
            "  … as the server counts, from when the event was read: \(share(0.001)) within 1 ms, \(share(0.005)) within 5 ms, "
                + "\(share(0.01)) within 10 ms of \(all) changes")
        unseen = [:]
    }

    /// How many changes were in the answers so many seconds after their events, by the server's own figures.
    private func countedTimes() throws -> [Double: Int] {
        var connection = try PlainConnection(socket.namespace, port: Self.metricsPort)
        defer { connection.close() }
        try connection.send("GET", "/metrics")
        let head = try connection.head()
        guard let length = head.split(separator: "content-length: ").last?.prefix(while: \.isNumber), let count = Int(length)
        else { throw Trouble(description: "the figures' page has no length: \(head)") }
        var times: [Double: Int] = [:]
        for line in String(decoding: try connection.take(count), as: UTF8.self).split(separator: "\n") {
            guard line.hasPrefix("tulle_dns_programming_duration_seconds_bucket"), let value = line.split(separator: " ").last,
                let bound = line.split(separator: "le=\"").last?.prefix(while: { $0 != "\"" })
            else { continue }
            times[bound == "+Inf" ? .infinity : Double(bound) ?? .nan, default: 0] += Int(value) ?? 0
        }
        return times
    }

    /// Changes of endpoints and of the configuration while queries come: none may be lost.
    func steady(_ stage: borrowing NameServerStage, rate: Int, seconds: Int) throws {
        let before = server.cpu
        let load = try stage.beginLoad(server, seconds: seconds, rate: rate, in: socket.namespace)
        let start = ContinuousClock.now
        var (number, reloads) = (0, 0)
        while ContinuousClock.now - start < .seconds(seconds) {
            let due = start + .seconds(1) * number / 500
            while ContinuousClock.now < due { usleep(200) }
            // Nobody looks for them.
            try change(number)
            number += 1
            guard number % 2500 == 0 else { continue }
            reloads += 1
            // As a mounted ConfigMap is changed: another file in the place of the first.
            try NameServerStage.write(Self.configuration(reloads), directory.file("names.next"))
            rename(directory.file("names.next"), directory.file("names.yaml"))
            kill(server.process, SIGHUP)
        }
        unseen = [:]
        let wall = ContinuousClock.now - start
        let report = try stage.endLoad(load)
        let read = try NameServerStage.read(directory.file("names.log")).split(separator: "\n")
            .count { $0.contains("the configuration is read again") }
        guard read >= reloads else { throw Trouble(description: "of \(reloads) configurations \(read) were read") }
        print(
            "at four fifths (\(rate)/s wanted, \(report.rate)/s asked) for \(seconds) s, "
                + "\(Int(Double(number) / (wall / .seconds(1)))) changes a second, \(read) configurations read: "
                + "\(report.completed) answered, \(report.lost) lost; \(rounded((server.cpu - before) / wall * 100)) % of a core   \(server.memory)"
        )
    }
}

// MARK: - Changes and questions

extension NamedCluster {
    /// One more endpoint takes the first one's place in a headless service.
    private func change(_ number: Int) throws {
        let service = (number * 7919 % (Self.size / 2)) * 2 + 1
        let endpoint = made
        made += 1
        let others = (1..<5).map { service * 5 + $0 }
        let status = try client.ask("PUT", "\(Self.slices)/service-\(service)-a", Self.slice(service, [endpoint] + others)).status
        guard status == 200 else { throw Trouble(description: "a slice's change is answered \(status)") }
        let now = ContinuousClock.now
        unseen[UInt16(truncatingIfNeeded: endpoint)] = Change(
            service: service, address: Self.bytes(of: endpoint), acknowledged: now, asked: now - .seconds(1))
    }

    /// Asks for what was not seen yet, until then or until it is enough.
    private func look(until end: ContinuousClock.Instant, _ isEnough: () -> Bool) throws {
        repeat {
            let now = ContinuousClock.now
            for (id, change) in unseen where now - change.asked > .microseconds(400) {
                unseen[id]?.asked = now
                try ask("service-\(change.service).default.svc.cluster.local", id: id)
            }
            usleep(50)
            hear()
        } while !isEnough() && ContinuousClock.now < end
    }

    private func ask(_ text: String, id: UInt16) throws {
        guard let name = DomainName(text) else { throw Trouble(description: "\(text) is no name") }
        let packet = Message.query(Question(name, .a), id: id).bytes()
        send(asking, packet, packet.count, 0)
    }

    private func hear() {
        var bytes = [UInt8](repeating: 0, count: 1500)
        while true {
            let count = recv(asking, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count > 12 else { return }
            let now = ContinuousClock.now
            let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
            guard let change = unseen[id], bytes[..<count].firstRange(of: change.address) != nil else { continue }
            latencies.append(max(0, (now - change.acknowledged) / .seconds(1)))
            unseen[id] = nil
        }
    }

    /// Until the cluster's names are known, at most a minute.
    private func awaitNames() throws {
        var bytes = [UInt8](repeating: 0, count: 1500)
        for _ in 0..<600 {
            try ask("service-1.default.svc.cluster.local", id: 1)
            poll(nil, 0, 100)
            while recv(asking, &bytes, bytes.count, Int32(MSG_DONTWAIT)) > 12 {
                if bytes[3] & 0xF == 0 { return }
            }
        }
        throw Trouble(
            description: "tulle dns answers nothing; its log:\n\(try NameServerStage.read(directory.file("names.log")))")
    }
}
