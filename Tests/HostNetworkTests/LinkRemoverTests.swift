import HostNetwork
import Netlink
import Synchronization
import Testing

@testable import HostNetworkKernel

@Suite("links removed together", .tags(.kernel), .enabled(if: hasKernel, "needs root"), .timeLimit(.minutes(5)))
struct LinkRemoverTests {
    private static let group: UInt32 = 0x7465_7374

    private func outcomes(_ remover: LinkRemover, _ links: [String]) -> [String: KernelError] {
        let errors = Mutex<[String: KernelError]>([:])
        sideBySide(links) { link in
            do throws(KernelError) { try remover.remove(link) } catch { errors.withLock { $0[link] = error } }
        }
        return errors.withLock(\.self)
    }

    private func names(_ host: KernelHost) throws -> Set<String> {
        Set(try host.observe(Interest([])).links.map(\.name)).subtracting(["lo"])
    }

    @Test("all that were named are gone when it says so, and nobody else's")
    func all() throws {
        let host = try KernelHost(.new())
        let pod = try NetworkNamespace.new()
        host.namespaces["pod"] = pod
        let links = (0..<60).map { "tl\($0)" }
        for (number, link) in links.enumerated() { try host.accept(.add(veth(link, peer: "eth\(number)", in: "pod"))) }
        try host.accept(.add(veth("other", peer: "eth60", in: "pod")))
        let remover = LinkRemover(in: host.namespace, group: Self.group)
        let failures = outcomes(remover, links + ["none"])
        #expect(failures.keys.sorted() == ["none"])
        #expect(failures["none"]?.code == .noSuchDevice)
        #expect(failures["none"]?.operation == "remove link none")
        #expect(try names(host) == ["other"])
        #expect(try names(KernelHost(pod)) == ["eth60"], "the other ends went along")
    }

    @Test("one that is alone goes alone, and one that is gone is no such device")
    func alone() throws {
        let host = try KernelHost(.new())
        try host.accept(.add(.link(Link("br0", .bridge))))
        let remover = LinkRemover(in: host.namespace, group: Self.group)
        try remover.remove("br0")
        #expect(try names(host) == [])
        #expect { try remover.remove("br0") } throws: { Errno.noSuchDevice ~= $0 }
    }

    @Test("one that cannot be removed does not keep the others, and is as it was")
    func refused() throws {
        let host = try KernelHost(.new())
        let links = (0..<30).map { "br\($0)" }
        for link in links { try host.accept(.add(.link(Link(link, .bridge)))) }
        let failures = outcomes(LinkRemover(in: host.namespace, group: Self.group), links + ["lo"])
        #expect(failures.keys.sorted() == ["lo"])
        #expect(try names(host) == [])
        #expect(try NetlinkSocket(.route, in: host.namespace).link(named: "lo").group == 0)
    }

    @Test("the index of a link that was made need not be asked for, nor its other end's")
    func indices() throws {
        let host = try KernelHost(.new())
        let pod = try NetworkNamespace.new()
        host.namespaces["pod"] = pod
        let end = try KernelHost(pod)
        try host.accept(.add(veth("tl1", peer: "eth0", in: "pod")))
        end.takeIndices(from: host, as: "pod")
        // A kernel that does not say it is asked: nothing is wrong then.
        let said = try #require(end.indices["eth0"])
        #expect(try NetlinkSocket(.route, in: pod).link(named: "eth0").index == said)
        #expect(try NetlinkSocket(.route, in: pod).link(named: "lo").index == end.indices["lo"])
    }
}
