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
        /** The fingerprint of their key: SHA-256, as 64 hexadecimal digits. */
        public string $key,
    ) {
    }
}
