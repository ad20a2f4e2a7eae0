<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Where a component came from.
 */
final readonly class ProviderOrigin implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The reference, with the digest of the image; null: a file. */
        public ?string $reference,
        /** Who signed it, among those whose keys are trusted; null: nobody, or nobody known. */
        public ?ProviderSigner $signer,
        /** Whether it carries a signature at all. */
        public bool $signed,
        /** When it was installed, in seconds since 1970. */
        public int $installedAt,
    ) {
    }
}
