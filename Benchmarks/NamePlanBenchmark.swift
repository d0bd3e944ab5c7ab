import CLinux
import Cluster
import DNS
import Glibc
import KubeAPI
import Plan

/// The names of 10,000 services × 5 endpoints out of their objects, and what one change of them costs.
///
/// Every other service is headless. Time is that of the thread's processor; memory is what the process has resident.
struct NamePlanBenchmark {
    static let services = 10_000
    static let endpoints = 5

    static func run(runs: Int) throws {
        var snapshot = Snapshot()
        var objects: [any KubernetesObject] = []
        for number in 0..<services { objects += [try service(number), try slice(number, endpoints: endpoints)] }
        for number in 0..<100 { objects.append(try namespace(number)) }
        snapshot.replace(with: objects)
        objects = []
        let plan = NamePlan()

        let before = resident
        var zones = plan.zones(of: snapshot)
        let bytes = resident - before
        var wholes: [Double] = []
        for _ in 0..<5 {
            let begin = cpu
            let others = plan.zones(of: snapshot)
            wholes.append((cpu - begin) / .milliseconds(1))
            precondition(others.count == zones.count)
        }
        wholes.sort()
        print(
            "names of \(services) services × \(endpoints) endpoints: \(Int(wholes[wholes.count / 2])) ms of CPU, \(bytes >> 20) MiB resident"
        )

        var times: [Double] = []
        var held = [zones]
        let start = resident
        for run in 0..<(runs * 10) {
            let number = run * 7919 % services
            let slice = try slice(number, endpoints: endpoints + run % 2 + 1)
            let begin = cpu
            for subject in snapshot.set(slice) { for part in plan.parts(subject, of: snapshot) { plan.put(part, into: &zones) } }
            times.append((cpu - begin) / .microseconds(1))
            // Queries that began with them keep them.
            held.append(zones)
        }
        let growth = (resident - start) / times.count
        precondition(held.count == times.count + 1)
        times.sort()
        print(
            "change: one endpoint more or less, median \(Int(times[times.count / 2])) µs of CPU, p99 \(Int(times[times.count * 99 / 100])) µs, \(growth >> 10) KiB beside the zones of before"
        )
    }

    private static var cpu: Duration { .nanoseconds(clinux_clock(CLOCK_THREAD_CPUTIME_ID)) }

    /// Bytes of memory.
    private static var resident: Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = fread(&bytes, 1, bytes.count, file)
        let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    // MARK: What is there

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
             "metadata": {"name": "slice-\#(number)", "namespace": "ns-\#(number % 100)",
              "labels": {"kubernetes.io/service-name": "service-\#(number)"}},
             "endpoints": [\#(list.joined(separator: ", "))], "ports": [{"name": "http", "port": 8080}]}
            """#)
    }
}
