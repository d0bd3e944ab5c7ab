import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Synchronization
import Testing

@testable import Lab

extension Tag {
    /// Needs root and the kernel; runs in network namespaces of its own.
    @Tag static var kernel: Self
}

let kernelIsThere = geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil

/// The directory of the built programs, which lie beside the tests.
func programs() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    try #require(count > 0)
    var path = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    // The runner of Swift Testing lies with the toolchain; the test bundle is its argument.
    if let bundle = CommandLine.arguments.first(where: { $0.hasSuffix(".xctest") }) { path = bundle }
    return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
}

/// The directory of a test, which goes with it.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/tulle-lab-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError(.processFailed, "make a directory for a test") }
        path = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func write(_ text: String, to name: String) throws -> String {
        let file = try #require(fopen("\(path)/\(name)", "w"))
        fputs(text, file)
        fclose(file)
        return "\(path)/\(name)"
    }

    deinit { _ = try? ChildProcess("rm", ["/bin/rm", "-rf", path]).finish(within: .seconds(10)) }
}

@Suite("the walking packet", .tags(.kernel), .enabled(if: kernelIsThere), .serialized)
struct WalkTests {
    @Test("packets cross two nodes over TCP and UDP and both families, and nothing is left of it") func walks() throws {
        let scratch = try Scratch()
        let lines = Mutex<[String]>([])
        let walk = try Walk(
            objects: try scratch.write(twoPods, to: "objects.yaml"), programs: try programs(), directory: scratch.path + "/walk",
            say: { line in lines.withLock { $0.append(line) } })
        try walk.run()
        let account = lines.withLock { $0 }
        for exchange in ["TCP over IPv4", "UDP over IPv4", "TCP over IPv6", "UDP over IPv6"] {
            let start = try #require(account.firstIndex { $0.hasPrefix(exchange) }, "\(exchange)")
            let hops = account[(start + 1)...].prefix { !$0.contains("answered in") }.filter { $0.contains("hops left") }
            // Each of the two nodes takes one hop; the fabric is a wire and takes none.
            let left = hops.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
            #expect(left == [64, 64, 63, 63, 63, 63, 62, 62], "\(exchange): \(hops.joined(separator: "\n"))")
        }
        #expect(account.last?.contains("as it was") == true)
        #expect(!account.contains { $0.hasPrefix("Ignored") || $0.hasPrefix("Problem") })
        #expect(access(scratch.path + "/walk", F_OK) != 0)
    }

    @Test("a walk that is killed leaves no process and no interface on the host") func killed() throws {
        let scratch = try Scratch()
        let objects = try scratch.write(twoPods, to: "objects.yaml")
        let before = try HostFingerprint()
        let directory = scratch.path + "/walk"
        let walk = try ChildProcess(
            "tulle", [try programs() + "/tulle", "lab", "walk", objects, "--directory", directory], log: "/dev/null")
        while let line = try walk.line(within: .seconds(30)), !line.hasPrefix("Pod") {}
        let children = try processes(naming: directory)
        #expect(!children.isEmpty)
        walk.kill9()
        try eventually("the agents go with the walk") { try processes(naming: directory).isEmpty }
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test(
        "objects that make no walk are refused in one line, before anything is made",
        arguments: [
            ("kind: Node", "apiVersion"),
            ("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n", "it needs two"),
            (twoPods.replacing("nodeName: node-2", with: "nodeName: node-9"), "another pod on another node"),
            (
                twoPods.replacing("ports: [{containerPort: 8080}, {containerPort: 5353, protocol: UDP}]", with: ""),
                "spec.containers[].ports"
            ),
            (
                twoPods.replacing(
                    "{type: InternalIP, address: 192.0.2.12}, {type: InternalIP, address: \"2001:db8::12\"}", with: ""),
                "Node node-2: status.addresses has no InternalIP"
            ),
            (twoPods.replacing("10.244.2.0/24", with: "10.244.0.0/16"), "Node node-2: spec.podCIDRs: 10.244.0.0/16 overlaps"),
            (twoPods.replacing("192.0.2.12", with: "192.0.2.11"), "192.0.2.11 is also the address of Node node-1"),
            (
                twoPods.replacing("spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24, \"fd00:10:244:2::/64\"]}", with: ""),
                "Node node-2: spec.podCIDRs is empty"
            ),
            (
                twoPods.replacing(
                    "spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24, \"fd00:10:244:2::/64\"]}",
                    with: "spec: {podCIDRs: [\"fd00:10:244:2::/64\"]}"
                )
                .replacing(", {type: InternalIP, address: \"2001:db8::12\"}", with: ""), "no family is on both nodes"
            ),
            ("{ not yaml", "objects.yaml"),
        ])
    func refused(_ objects: String, _ word: String) throws {
        let scratch = try Scratch()
        let walk = try Walk(
            objects: try scratch.write(objects, to: "objects.yaml"), programs: try programs(), directory: scratch.path + "/walk",
            say: { _ in })
        let error = #expect(throws: (any Error).self) { try walk.run() }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word))
        #expect(access(scratch.path + "/walk", F_OK) != 0)
    }

    @Test("a program that is missing is named, with the way to build it") func missing() throws {
        let scratch = try Scratch()
        let error = #expect(throws: LabError.self) {
            try Walk(objects: "x", programs: scratch.path, directory: scratch.path + "/walk", say: { _ in })
        }
        #expect(error?.code == .programMissing)
        #expect(error?.remedy.contains("swift build") == true)
    }
}

/// Polls until the condition holds; ten seconds at most.
func eventually(_ what: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<1000 {
        if try condition() { return }
        poll(nil, 0, 10)
    }
    Issue.record("not within ten seconds: \(what)")
}

/// Processes whose command line names a path.
func processes(naming path: String) throws -> [Int] {
    let directory = try #require(opendir("/proc"))
    defer { closedir(directory) }
    var found: [Int] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let identifier = Int(name), let file = fopen("/proc/\(identifier)/cmdline", "r") else { continue }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        if String(decoding: bytes[..<count], as: UTF8.self).contains(path) { found.append(identifier) }
    }
    return found
}

let twoPods = """
    apiVersion: v1
    kind: Node
    metadata: {name: node-1}
    spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24, "fd00:10:244:1::/64"]}
    status: {addresses: [{type: InternalIP, address: 192.0.2.11}, {type: InternalIP, address: "2001:db8::11"}]}
    ---
    apiVersion: v1
    kind: Node
    metadata: {name: node-2}
    spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24, "fd00:10:244:2::/64"]}
    status: {addresses: [{type: InternalIP, address: 192.0.2.12}, {type: InternalIP, address: "2001:db8::12"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: walker, namespace: default}
    spec: {nodeName: node-1, containers: [{name: walker, image: tulle/pause}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: web, namespace: default}
    spec:
      nodeName: node-2
      containers:
      - {name: web, image: tulle/echo, ports: [{containerPort: 8080}, {containerPort: 5353, protocol: UDP}]}
    """
