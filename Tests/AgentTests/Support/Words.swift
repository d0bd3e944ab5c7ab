import Addressing
import CNI
import Glibc
import Logging
import Plan
import Testing

@testable import Agent

extension Tag {
    /// Needs root and makes namespaces.
    @Tag static var kernel: Self
}

/// Whether kernel tests run: as root, and always where a skip counts as a failure.
let hasKernel = geteuid() == 0 || getenv("REQUIRE_KERNEL").map { String(cString: $0) } == "1"

func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func net(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }

func id(_ container: String, _ interface: String = "eth0") -> Plan.Attachment.ID {
    Plan.Attachment.ID(container: container, interface: interface)
}

func record(_ container: String, _ addresses: String..., interface: String = "eth0", pod: String = "") throws -> AttachmentRecord
{
    AttachmentRecord(
        attachment: Plan.Attachment(id: id(container, interface), addresses: try addresses.map(ip), mtu: 1500), network: "pods",
        namespacePath: "/run/netns/\(container)", pod: pod)
}

/// Compares texts line by line: the failure shows both.
func expect(_ actual: String, is wanted: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let (actual, wanted) = (actual.split(separator: "\n"), wanted.split(separator: "\n"))
    #expect(actual == wanted, sourceLocation: sourceLocation)
}

/// Dice whose throws can be had again: the seed is printed with every failure.
struct Dice: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    /// - Parameter seed: `TEST_SEED` from the environment, or chance.
    init(seed: UInt64 = getenv("TEST_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0 ... .max)) {
        self.seed = seed
        state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Waits for something that will come, and says what did not.
func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(20), _ condition: () throws -> Bool
) throws {
    let deadline = ContinuousClock.now + limit
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw Broken("waited \(limit) in vain: \(what())") }
        poll(nil, 0, 5)
    }
}

/// A value that `#expect` can call mutating functions of.
final class Box<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}

extension NodeKeeper.Outcome {
    /// Its steps in words.
    var changes: [String] { steps.map(\.description) }
}
