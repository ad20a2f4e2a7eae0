<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Change the content or the account; repeating it unchanged cannot help.
 */
final class RejectedException extends CallException
{
}
