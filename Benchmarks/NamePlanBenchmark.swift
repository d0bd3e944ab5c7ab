import Agent
import CLinux
import Cluster
import DNS
import Glibc
import KubeAPI
import KubeClient
import Plan

/// The names of 10,000 services × 5 endpoints out of their objects, what is kept of both, and what one change of them costs.
///
/// Every other service is headless. Time is that of the thread's processor; memory is what the process has resident more than
/// before. The objects come one by one, so that nothing of them stays but what is kept.
struct NamePlanBenchmark {
    static let services = 10_000
    static let endpoints = 5
    static let pods = 10_000

    /// Comes first: in a process that has held more, what is held anew takes no new memory.
    static func run(runs: Int) throws {
        try forEachObject { _ in }
        // Several, since little of one would be in what was free before.
        let (copies, packed) = try grown {
            try (0..<5).map { _ throws -> NamedObjects in
                var objects = NamedObjects()
                try forEachObject { objects.set($0) }
                return objects
            }
        }
        let (feeds, clients) = try grown {
            try (0..<5).map { _ throws -> NameFeed in
                var feed = NameFeed(NamePlan(), knowsClients: true)
                _ = feed.take([.listed([])])
                for number in 0..<pods { _ = feed.take([.added(try pod(number))]) }
                return feed
            }
        }
        let objects = copies[0]
        let plan = NamePlan()
        let (zones, named) = grown { plan.zones(of: objects) }
        let (snapshot, whole) = try grown { () throws -> Snapshot in
            var snapshot = Snapshot()
            try forEachObject { snapshot.set($0) }
            return snapshot
        }
        precondition(copies.allSatisfy { $0.serviceCount == snapshot.services.count } && feeds.allSatisfy(\.isComplete))
        print(
            "kept of \(services) services × \(endpoints) endpoints: \((packed / copies.count) >> 10) KiB of objects (a snapshot: \(whole >> 10) KiB), \(named >> 10) KiB of names; of \(pods) pods that are known by their addresses: \((clients / feeds.count) >> 10) KiB"
        )
        var wholes: [Double] = []
        for _ in 0..<5 {
            let begin = cpu
            let others = plan.zones(of: objects)
            wholes.append((cpu - begin) / .milliseconds(1))
            precondition(others.count == zones.count)
        }
        wholes.sort()
        print("all names out of them: \(Int(wholes[wholes.count / 2])) ms of CPU")
        try change(plan, objects, zones, runs: runs)
    }

    /// One endpoint more or less.
    private static func change(_ plan: NamePlan, _ objects: NamedObjects, _ zones: Zones, runs: Int) throws {
        var (objects, zones) = (objects, zones)
        var times = (set: [Double](), plan: [Double](), put: [Double](), addressed: [Double]())
        var held = [zones]
        let start = resident
        for run in 0..<(runs * 20) {
            let number = run * 7919 % services
            let slice = try slice(number, endpoints: endpoints + run / 2 % 2 + 1)
            let begin = cpu
            let touched = objects.set(slice)
            let set = cpu
            let parts = touched.flatMap { plan.parts($0, of: objects) }
            let planned = cpu
            plan.put(parts, into: &zones)
            let put = cpu
            if number % 2 == 0 {
                times.addressed.append((put - begin) / .microseconds(1))
            } else {
                times.set.append((set - begin) / .microseconds(1))
                times.plan.append((planned - set) / .microseconds(1))
                times.put.append((put - planned) / .microseconds(1))
                // Queries that began with them keep them.
                held.append(zones)
            }
        }
        let growth = (resident - start) / held.count
        precondition(held.count == times.put.count + 1)
        func median(_ times: [Double]) -> String {
            let sorted = times.sorted()
            return "\(tenths(sorted[sorted.count / 2])) µs (p99 \(tenths(sorted[sorted.count * 99 / 100])))"
        }
        print(
            "change: one endpoint of a headless service more or less: kept in \(median(times.set)), named in \(median(times.plan)), put in \(median(times.put)), \(growth >> 10) KiB beside the zones of before; of one with an address \(median(times.addressed))"
        )
    }

    private static func tenths(_ number: Double) -> String { "\(Double(Int(number * 10)) / 10)" }

    /// How much larger the process is with it.
    private static func grown<Value>(_ body: () throws -> Value) rethrows -> (Value, Int) {
        let before = resident
        let value = try body()
        return (value, resident - before)
    }

    static var cpu: Duration { .nanoseconds(clinux_clock(CLOCK_THREAD_CPUTIME_ID)) }

    /// Bytes of memory.
    static var resident: Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = fread(&bytes, 1, bytes.count, file)
        let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    // MARK: What is there

    private static func forEachObject(_ body: (any KubernetesObject) throws -> Void) throws {
        for number in 0..<services {
            try body(service(number))
            try body(slice(number, endpoints: endpoints))
        }
        for number in 0..<100 { try body(namespace(number)) }
    }

    private static func read(_ text: String) throws -> any KubernetesObject {
        guard let object = Registry.standard.read(try JSONReader().value(text)).object else {
            throw DNSBenchmark.Trouble("an object of the benchmark cannot be read: \(text)")
        }
        return object
    }

    private static func namespace(_ number: Int) throws -> any KubernetesObject {
        try read(#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns-\#(number)"}}"#)
    }

    private static func service(_ number: Int) throws -> any KubernetesObject {
        let address = number % 2 == 0 ? "10.96.\(number >> 8).\(number & 255)" : "None"
        return try read(
            #"""
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service-\#(number)", "namespace": "ns-\#(number % 100)"},
             "spec": {"clusterIP": "\#(address)", "ports": [{"name": "http", "port": 80}]}}
            """#)
    }

    private static func slice(_ number: Int, endpoints: Int) throws -> any KubernetesObject {
        let list = (0..<endpoints).map { #"{"addresses": ["10.\#(128 + $0).\#(number >> 8).\#(number & 255)"]}"# }
        return try read(
            #"""
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {"name": "service-\#(number)-x7k2p", "namespace": "ns-\#(number % 100)",
              "labels": {"kubernetes.io/service-name": "service-\#(number)"}},
             "endpoints": [\#(list.joined(separator: ", "))], "ports": [{"name": "http", "port": 8080}]}
            """#)
    }

    private static func pod(_ number: Int) throws -> any KubernetesObject {
        try read(
            #"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "service-\#(number)-7d4b9c8f6-x7k2p", "namespace": "ns-\#(number % 100)"},
             "spec": {}, "status": {"phase": "Running", "podIPs": [{"ip": "10.128.\#(number >> 8).\#(number & 255)"}]}}
            """#)
    }
}
