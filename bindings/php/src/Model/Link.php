<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A link inside a notice.
 */
final readonly class Link implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** A part of the notice's text. */
        public string $text,
        /** `https`. */
        public string $url,
    ) {
    }
}
