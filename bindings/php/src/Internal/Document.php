<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

/**
 * A value that is a document of the library: members in snake_case, null members omitted.
 *
 * @internal
 */
trait Document
{
    /** @return array<string, mixed> */
    public function toArray(): array
    {
        return Writer::write(get_object_vars($this));
    }

    /** @return array<string, mixed>|\stdClass */
    public function jsonSerialize(): array|\stdClass
    {
        return $this->toArray() ?: new \stdClass();
    }
}
