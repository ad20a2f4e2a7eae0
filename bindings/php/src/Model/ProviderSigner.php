<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Who signed a component.
 */
final readonly class ProviderSigner implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** What the operator calls them. */
        public string $name,
        /** The fingerprint of their key, or what stands for their identity: SHA-256, as 64 hexadecimal digits. */
        public string $key,
        /** Their identity, if they have no key: an address of e-mail, or the URL of a workflow. */
        public ?string $identity = null,
        /** Who vouches for the identity. */
        public ?string $issuer = null,
    ) {
    }
}
