import Addressing
import HostNetwork
import Testing

extension Clause {
    static let addresses = [
        Clause("addresses of both families stand as they were added") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(try address("192.0.2.1/24", on: "a", scope: .link)),
                .add(try address("198.51.100.7/32", on: "a", proto: 84)), .add(try address("2001:db8::1/128", on: "a")),
                .add(
                    .address(
                        Address(try #require(InterfaceAddress("203.0.113.1/24")), on: "a", noPrefixRoute: true))),
                .add(
                    .address(
                        Address(
                            try #require(InterfaceAddress("2001:db8:9::1/64")), on: "a", noPrefixRoute: true, isDeprecated: true))
                )
            )
            try expect(
                stage.node.text(without: ["lo", "a", "b"]),
                is: """
                    address 192.0.2.1/24 dev a scope link
                    address 198.51.100.7/32 dev a proto 84
                    address 203.0.113.1/24 dev a noprefixroute
                    address 2001:db8::1/128 dev a
                    address 2001:db8:9::1/64 dev a noprefixroute deprecated

                    """)
        },
        Clause("an address is refused twice, on no link, and when it is to go and is not there", ) { stage in
            try stage.node.accept(.add(veth("a", peer: "b")))
            for text in ["192.0.2.1/24", "2001:db8::1/64"] {
                try stage.node.refuse(.remove(try address(text, on: "a")), .addressNotAvailable)
                try stage.node.accept(.add(try address(text, on: "a")))
                try stage.node.refuse(.add(try address(text, on: "a")), .exists)
                try stage.node.refuse(.add(try address(text, on: "none")), .noSuchDevice)
                try stage.node.refuse(.remove(try address(text, on: "none")), .noSuchDevice)
                try stage.node.accept(.remove(try address(text, on: "a")))
            }
            try expect(stage.node.text(without: ["lo", "a", "b"]), is: "")
        },
        Clause("the first address of a prefix takes the later ones along") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(try address("192.0.2.1/24", on: "a")),
                .add(try address("192.0.2.2/24", on: "a")), .add(try address("198.51.100.1/24", on: "a")))
            #expect(try stage.node.text().contains("address 192.0.2.2/24 dev a secondary\n"))
            try stage.node.accept(.remove(try address("192.0.2.1/24", on: "a")))
            try expect(stage.node.text(without: ["lo", "a", "b"]), is: "address 198.51.100.1/24 dev a\n")
        },
        Clause("an IPv4 route goes with its source address, an IPv6 route forgets it") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(veth("c", peer: "d")), .add(try address("192.0.2.1/32", on: "a")),
                .add(try address("2001:db8::1/128", on: "a")),
                .add(try route("198.51.100.0/24", dev: "c", src: "192.0.2.1")),
                .add(try route("2001:db8:1::/64", dev: "c", src: "2001:db8::1")))
            try stage.node.accept(
                .remove(try address("192.0.2.1/32", on: "a")), .remove(try address("2001:db8::1/128", on: "a")))
            try expect(stage.node.text(without: ["lo", "a", "b", "c", "d"]), is: "route 2001:db8:1::/64 dev c proto 84\n")
        },
        Clause("the last IPv4 address of a link takes the link's IPv4 routes and neighbours along") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(try address("192.0.2.1/32", on: "a")),
                .add(try address("192.0.2.2/32", on: "a")), .add(try route("198.51.100.0/24", dev: "a")),
                .add(.neighbour(Neighbour(try ip("192.0.2.9"), on: "a", .mac(mac(9))))),
                .add(.neighbour(Neighbour(try ip("192.0.2.9"), on: "a", .proxy))))
            try stage.node.accept(.remove(try address("192.0.2.1/32", on: "a")))
            #expect(try stage.node.text().contains("route 198.51.100.0/24"))
            try stage.node.accept(.remove(try address("192.0.2.2/32", on: "a")))
            try expect(stage.node.text(without: ["lo", "a", "b"]), is: "")
        },
    ]
}
