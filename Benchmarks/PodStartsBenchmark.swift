import Addressing
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization

/// Pods that start under a policy, four at a time, with a real agent, while somebody fires at every address that is about to be
/// given, from before it is: nothing that the policy denies may come through, and what it allows has to.
///
/// That the shots came as far as the policy is seen in the kernel's counter of what was refused at each address.
final class PodStartsBenchmark: Sendable {
    private struct Counts {
        var started = 0
        var refused: UInt64 = 0
        /// Packets that came through and should not have.
        var leaked = 0
        var answered = 0
        var faults: [String] = []
        var times: [Double] = []
    }

    private static let port: UInt16 = 4030
    private static let namespace = "shop"
    private let courier: SoakScene.Courier
    private let node: NetworkNamespace
    private let web: Descriptor
    private let counts = Mutex(Counts())
    /// The addresses that pods have now, and the first that none ever had.
    private let aims: Mutex<(live: Set<UInt32>, next: UInt32)>
    private let isStopped = Mutex(false)

    private init(_ scene: SoakScene, web: Descriptor, after last: IPv4Address) {
        (courier, node, self.web) = (scene.courier, scene.node, web)
        aims = Mutex(([], last.rawValue + 1))
    }

    /// - Returns: whether nothing came through that should not have.
    static func run(pods: Int) throws -> Bool {
        let scene = try SoakScene()
        defer { scene.end() }
        do {
            return try run(pods, scene)
        } catch {
            print("  \(error)\n  the agent said:\n\(scene.log.suffix(3000))")
            return false
        }
    }

    private static func run(_ pods: Int, _ scene: SoakScene) throws -> Bool {
        try scene.write(documents(pods))
        try scene.start()
        let (prober, web) = (try NetworkNamespace.new(), try NetworkNamespace.new())
        _ = try scene.courier.add("prober", prober, kubernetes: namespace)
        let last = try scene.courier.add("web", web, kubernetes: namespace)
        let bench = PodStartsBenchmark(scene, web: try SoakSocket.open(in: web, isStream: false), after: last)
        let gun = try SoakSocket.open(in: prober, isStream: false)
        print("\(pods) pods that start under a policy, four at a time (figure: nothing comes through)")
        fflush(nil)
        let begin = ContinuousClock.now
        // The gun is the first hand, and stops when the others are done.
        let isDone = Mutex(4)
        sideBySide(Array(0...4), atMost: 5) { hand in
            guard hand > 0 else { return bench.fire(gun) }
            bench.start(stride(from: hand - 1, to: pods, by: 4))
            let left = isDone.withLock { count in
                count -= 1
                return count
            }
            if left == 0 { bench.isStopped.withLock { $0 = true } }
        }
        return bench.report((ContinuousClock.now - begin) / .seconds(1), of: pods)
    }

    /// A node with room for all, its pods, and the policy: nobody but `web` may talk to any of them.
    private static func documents(_ pods: Int) -> [String] {
        let node = """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "\(SoakModel.node)"}, "spec": {"podCIDRs": ["10.244.0.0/16"]}, \
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}}
            """
        let place = #"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "\#(namespace)"}}"#
        let policy = """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web", "namespace": "\(namespace)"}, \
            "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}}
            """
        func pod(_ name: String, _ app: String) -> String {
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\(name)", "namespace": "\(namespace)", \
            "labels": {"app": "\(app)"}}, "spec": {"nodeName": "\(SoakModel.node)", "containers": [{"name": "c", "image": "none"}]}}
            """
        }
        return [node, place, policy, pod("prober", "other"), pod("web", "web")] + (0..<pods).map { pod("p\($0)", "db") }
    }

    // MARK: - Firing

    /// At whoever is there, and at the next sixteen addresses, again and again.
    private func fire(_ gun: Descriptor) {
        while !isStopped.withLock({ $0 }) {
            let targets = aims.withLock { Array($0.live) + Array($0.next..<$0.next + 16) }
            for target in targets {
                // Where nobody is yet its node says so: what the kernel then refuses to send is no matter.
                _ = SoakSocket.with(IPv4Address(rawValue: target), Self.port) { sendto(gun.rawValue, [1 as UInt8], 1, 0, $0, $1) }
            }
            usleep(100)
        }
    }

    // MARK: - Starting

    private func start(_ numbers: StrideTo<Int>) {
        do {
            // One namespace after the other: what a runtime would make anew is empty again after DEL.
            let (home, tables) = (try NetworkNamespace.new(), try KernelTables(in: node))
            let inbox = try SoakSocket.open(in: home, isStream: false)
            let code = SoakSocket.with(.any, Self.port) { bind(inbox.rawValue, $0, $1) }
            guard code == 0 else { throw KernelError(Errno(rawValue: errno), "bind port \(Self.port)") }
            for number in numbers where counts.withLock({ $0.faults.count < 10 }) { try start("p\(number)", home, inbox, tables) }
        } catch {
            counts.withLock { $0.faults.append("\(error)") }
        }
    }

    private func start(_ name: String, _ home: NetworkNamespace, _ inbox: Descriptor, _ tables: KernelTables) throws {
        let begin = seconds(CLOCK_MONOTONIC)
        let address = try courier.add(name, home, kubernetes: Self.namespace)
        let end = seconds(CLOCK_MONOTONIC)
        aims.withLock { aims in
            aims.live.insert(address.rawValue)
            aims.next = max(aims.next, address.rawValue + 1)
        }
        var refused: UInt64 = 0
        for _ in 0..<4000 where refused == 0 {
            refused = try counted(at: address, tables)
            if refused == 0 { poll(nil, 0, 5) }
        }
        _ = SoakSocket.with(address, Self.port) { sendto(web.rawValue, [2 as UInt8], 1, 0, $0, $1) }
        let (answered, leaked) = take(inbox)
        refused = try counted(at: address, tables)
        aims.withLock { aims in _ = aims.live.remove(address.rawValue) }
        try courier.delete(name, home)
        // What came in the last moment.
        let late = take(inbox, isLast: true).leaked
        counts.withLock { counts in
            counts.started += 1
            counts.refused += refused
            counts.leaked += leaked + late
            counts.answered += answered ? 1 : 0
            counts.times.append(end - begin)
            if refused == 0 { counts.faults.append("\(name) at \(address): no shot came as far as the policy") }
            if !answered { counts.faults.append("\(name) at \(address): what is allowed did not arrive") }
            if leaked + late > 0 { counts.faults.append("\(name) at \(address): \(leaked + late) came through") }
        }
    }

    private func counted(at address: IPv4Address, _ tables: KernelTables) throws -> UInt64 {
        let id = Table.ID(.ip, PacketPath.policyTable)
        return try tables.counters(of: "refused-receivers", in: id)[Value(.address(.v4(address)))]?.packets ?? 0
    }

    /// - Returns: whether what is allowed came, and how much that is not.
    private func take(_ inbox: Descriptor, isLast: Bool = false) -> (answered: Bool, leaked: Int) {
        var leaked = 0
        var entry = pollfd(fd: inbox.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, isLast ? 0 : 20_000) == 1 {
            var byte: UInt8 = 0
            guard recv(inbox.rawValue, &byte, 1, 0) == 1 else { continue }
            if byte == 2 { return (true, leaked) }
            leaked += 1
        }
        return (false, leaked)
    }

    // MARK: - The end

    private func report(_ seconds: Double, of pods: Int) -> Bool {
        counts.withLock { counts in
            let isWell = counts.leaked == 0 && counts.faults.isEmpty && counts.started == pods
            print("  \(counts.started) started in \(Int(seconds)) s; ADD \(Figures(counts.times).milliseconds)")
            print("  \(counts.refused) packets refused, at every address at least one")
            print("  \(counts.answered) of \(counts.started) that are allowed arrived")
            print("  \(counts.leaked) packets came through that the policy denies\(isWell ? "" : "  NOT well")")
            for fault in counts.faults.prefix(10) { print("    \(fault)") }
            return isWell
        }
    }
}
